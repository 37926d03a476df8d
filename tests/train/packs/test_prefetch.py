import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from octupus.errors import ManifestError
from octupus.train.packs.feed import PackFeed
from octupus.train.packs.prefetch import STEPS_AHEAD, Prefetcher
from octupus.train.packs.prepared import read_prepared

CPU = torch.device("cpu")


@pytest.fixture
def feed(prepared_directory: Path) -> PackFeed:
    return PackFeed(read_prepared(prepared_directory).shards)


def ids_of_step(step: int) -> list[int]:
    return [(7 * step) % 20, (7 * step + 3) % 20]


@pytest.mark.parametrize("slow", ["reader", "trainer"])
def test_packs_come_in_the_order_of_the_plan_whoever_is_slow(feed: PackFeed, slow: str) -> None:
    asked: list[int] = []

    def ids(step: int) -> list[int]:
        if slow == "reader":
            time.sleep(0.01)
        asked.append(step)
        return ids_of_step(step)

    with Prefetcher(feed, ids, first=2, steps=6, pad_to=256, device=CPU) as prefetcher:
        for step in range(2, 6):
            if slow == "trainer":
                time.sleep(0.01)
            packs = prefetcher.packs(step)
            assert len(asked) <= step - 1 + STEPS_AHEAD
            for pack, pack_id in zip(packs, ids_of_step(step), strict=True):
                assert torch.equal(pack.input_ids, feed.read(pack_id, 256).input_ids)
        with pytest.raises(ValueError, match="step 6 is not the next"):
            prefetcher.packs(6)
    assert asked == [2, 3, 4, 5]


def test_an_error_of_the_thread_is_that_of_its_step(feed: PackFeed) -> None:
    with Prefetcher(feed, lambda step: [step if step != 1 else 99], 0, 3, None, CPU) as prefetcher:
        prefetcher.packs(0)
        with pytest.raises(ManifestError, match="pack 99 does not exist"):
            prefetcher.packs(1)
        prefetcher.packs(2)


def test_close_ends_the_thread(feed: PackFeed) -> None:
    before = threading.active_count()
    prefetcher = Prefetcher(feed, ids_of_step, 0, int(np.iinfo(np.int64).max), None, CPU)
    prefetcher.packs(0)
    prefetcher.close()
    assert threading.active_count() == before
