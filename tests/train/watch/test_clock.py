import time

import torch

from octupus.train.watch.clock import PhaseClock, peak_memory_bytes

CPU = torch.device("cpu")


def test_phases_add_up_within_the_step() -> None:
    clock = PhaseClock(CPU)
    for _ in range(2):
        with clock.phase("forward"):
            time.sleep(0.02)
    with clock.phase("backward"):
        time.sleep(0.03)
    taken = clock.take()
    assert taken["forward"] >= 0.04
    assert taken["backward"] >= 0.03
    assert taken["forward"] + taken["backward"] <= taken["step"]
    assert taken["save"] == 0.0
    assert clock.take()["forward"] == 0.0


def test_peak_memory_is_in_bytes_and_never_falls() -> None:
    before = peak_memory_bytes(CPU)
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])
    after = peak_memory_bytes(CPU)
    del held
    assert 10 << 20 < before <= after <= peak_memory_bytes(CPU)
