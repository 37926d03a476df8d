"""The formulas of benchmarks/cluster_scaling."""

import html
import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from octupus.page import page
from octupus.serve.config import ReplicasConfig
from octupus.train.config import CheckpointConfig

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # benchmarks belong to the checkout, not to the installed package
constants, data, main, resource, serving, tables, training = (
    importlib.import_module(f"benchmarks.cluster_scaling.{name}")
    for name in ("constants", "data", "__main__", "resource", "serving", "tables", "training")
)
SIZES, Cluster, Serving, Training = resource.SIZES, resource.Cluster, serving.Serving, training.Training


@pytest.fixture(scope="module")
def parts() -> list[Any]:
    return [tables.data_part(5e9), tables.training_part(5e9), tables.serving_part()]


def stage(gpus: int, zero_stage: int = 2, packs: int | None = None, **changes: float) -> Any:
    cluster = replace(Cluster(gpus), **changes)
    return Training("7B", training.QWEN_7B, zero_stage, cluster, training.packs_for(gpus) if packs is None else packs)


def test_what_is_said_of_the_code_is_what_the_code_says() -> None:
    def number(path: str, name: str) -> float:
        found = re.search(rf"\b{name}(?:: int)? = ([\d.]+)", (ROOT / path).read_text("utf-8"))
        assert found, f"{name} is no longer in {path}"
        return float(found[1])

    assert number("octupus/data/pipeline.py", "ROWS_PER_BLOCK") == constants.ROWS_PER_BLOCK
    assert number("octupus/serve/engine/deployment.py", "HEALTH_CHECK_PERIOD_S") == constants.CHECK_PERIOD
    assert number("octupus/serve/routing/prefix_router.py", "blocks_per_replica") == constants.TABLE_BLOCKS
    shipped = yaml.safe_load((ROOT / "jobs" / "train_stg2.yaml").read_text("utf-8"))
    assert (
        shipped["data"]["packs_per_step"] * training.TOKEN_BUDGET
        == training.SHIPPED_PACKS * training.TOKEN_BUDGET
        == 131_072
    )
    assert (shipped["checkpoint"]["every_steps"], shipped["engine"]["zero_stage"]) == (training.EVERY_STEPS, 2)
    assert CheckpointConfig().every_steps == training.EVERY_STEPS
    assert ReplicasConfig().ingresses == Serving(Cluster(8)).ingresses == 1


def test_every_constant_says_where_it_comes_from() -> None:
    sourceless = [each.name for each in constants.CONSTANTS if not each.source and each.kind != constants.Kind.ASSUMED]
    assert not sourceless
    assert len({each.name for each in constants.CONSTANTS}) == len(constants.CONSTANTS)


def test_what_saturates_first_is_used_most_and_in_no_smaller_cluster(parts: list[Any]) -> None:
    for part in parts:
        found = resource.saturation(part.uses_at)
        assert found is not None
        gpus, most = found
        assert most.share == max(use.share for use in part.uses_at(gpus)) > 1
        assert all(resource.first_saturated(part.uses_at(fewer)).share <= 1 for fewer in range(8, gpus, 8))
        assert any(use.resource in verdict and use.setting in verdict for use in [most] for verdict in part.verdicts())


def test_shares_of_a_cluster_do_not_fall_as_it_grows(parts: list[Any]) -> None:
    for part in parts:
        for name, shares, setting in part.rows():
            assert setting
            # Workers' shares of a checkpoint shrink, until rank 0's weights are all that is left.
            if name != "checkpoint to own disk":
                assert shares == sorted(shares), name


@pytest.mark.parametrize("gpus", SIZES)
def test_twice_the_bandwidth_is_half_the_time(gpus: int) -> None:
    one, two = stage(gpus), stage(gpus, network=800e9, storage=10e9)
    assert two.network_s == pytest.approx(one.network_s / 2)
    assert two.upload_s == pytest.approx(one.upload_s / 2)
    assert two.restart_s(True) - constants.RESTART == pytest.approx((one.restart_s(True) - constants.RESTART) / 2)
    slow, fast = (data.uses(1e6, Cluster(gpus, storage=rate)) for rate in (1e9, 2e9))
    assert {a.resource for a, b in zip(slow, fast, strict=True) if a.share != b.share} == {"shared storage"}
    assert fast[1].share == pytest.approx(slow[1].share / 2)


@pytest.mark.parametrize("gpus", SIZES)
@pytest.mark.parametrize("rows", [1e6, 1e9])
def test_preparing_takes_no_less_than_its_slowest_resource_and_no_more_than_all(rows: float, gpus: int) -> None:
    cluster = Cluster(gpus)
    phases = data.seconds(rows, cluster)
    bounds = [
        rows * constants.ROW_CPU / cluster.cores,
        rows * sum(data.driver_cpu().values()),
        cluster.storage_s(rows * sum(data.storage_bytes().values())),
    ]
    assert max(bounds) <= sum(phases.values()) <= sum(bounds) + constants.DATA_START
    assert data.uses(rows, cluster)[0].share == pytest.approx(bounds[1] / bounds[0])


def test_a_step_is_computing_and_then_the_slower_of_both_networks() -> None:
    for gpus in SIZES:
        for zero_stage in (1, 2, 3):
            run = stage(gpus, zero_stage)
            assert run.step_s == run.compute_s + max(run.nvlink_s, run.network_s)
            assert run.packs_a_worker * gpus >= run.packs
    assert stage(8).network_s == 0


def test_only_zero_1_pays_once_for_several_packs() -> None:
    one = [stage(64, zero_stage, packs=64).traffic for zero_stage in (1, 2, 3)]
    four = [stage(64, zero_stage, packs=256).traffic for zero_stage in (1, 2, 3)]
    assert one[0] == one[1] == one[2] == four[0] < four[1] < four[2] == 4 * one[2]


def test_the_packs_that_are_advised_hide_the_network() -> None:
    for network in (12.5e9, 400e9):
        run = stage(64, network=network)
        advised = replace(run, zero_stage=1, packs=run.packs_for_network)
        assert advised.network_s <= advised.compute_s
        assert advised.fits


def test_more_gpus_than_packs_gain_nothing() -> None:
    assert stage(512, packs=training.SHIPPED_PACKS).hours(1e9) >= stage(16, packs=training.SHIPPED_PACKS).hours(1e9)
    assert stage(512).hours(1e9) == pytest.approx(stage(64).hours(1e9) / 8, rel=0.01)


def test_a_checkpoint_is_14_bytes_a_parameter() -> None:
    for zero_stage, shape in ((2, training.QWEN_7B), (3, training.QWEN_72B)):
        for gpus in SIZES:
            run = Training("", shape, zero_stage, Cluster(gpus), training.packs_for(gpus))
            assert run.checkpoint_bytes == pytest.approx(14 * shape.parameters)


def test_youngs_interval_loses_least() -> None:
    for gpus in SIZES:
        run = stage(gpus)
        least = run.lost_share(run.best_interval_s)
        assert all(run.lost_share(run.best_interval_s * factor) > least for factor in (0.5, 0.9, 1.1, 2))


@pytest.mark.parametrize("prefer_cached_prefix", [True, False])
@pytest.mark.parametrize("gpus", SIZES)
def test_as_many_ingresses_as_are_needed_and_no_more(gpus: int, prefer_cached_prefix: bool) -> None:
    one = Serving(Cluster(gpus), prefer_cached_prefix=prefer_cached_prefix)
    enough = one.ingresses_needed
    assert replace(one, ingresses=enough).ingress_share() <= constants.BUSY
    assert replace(one, ingresses=enough - 1).ingress_share() > constants.BUSY


def test_the_page_holds_a_chart_of_each_part_and_every_constant(parts: list[Any]) -> None:
    written = page("Scaling", main.sections(parts))
    assert written.count("<svg ") == 3
    assert not re.findall(r'(?:src|href)="(?!#)', written.replace("xlink:href", "href"))
    assert all(f"<td>{html.escape(each.name)}</td>" in written for each in constants.CONSTANTS)


def test_the_documentation_says_what_the_script_prints(parts: list[Any]) -> None:
    documented = (ROOT / "docs" / "scaling.md").read_text("utf-8").splitlines()
    for part in parts:
        printed = [*part.verdicts(), *part.shares().text().splitlines()]
        assert not [line for line in printed if line and f"    {line}" not in documented]
