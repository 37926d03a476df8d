from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from octupus.train.packs.order import PackPlan

worlds = st.sampled_from([1, 2, 3, 4, 6])
plans = st.builds(
    PackPlan,
    seed=st.integers(0, 2**31),
    packs=st.integers(1, 60),
    packs_per_step=st.sampled_from([12, 24]),
)


@given(plans, st.integers(0, 30), worlds)
def test_the_union_over_workers_does_not_depend_on_their_number(plan: PackPlan, step: int, world: int) -> None:
    shares = [plan.pack_ids_of(step, rank, world) for rank in range(world)]
    assert {len(share) for share in shares} == {plan.packs_per_step // world}
    assert Counter(pack for share in shares for pack in share) == Counter(plan.pack_ids(step))


@given(plans, st.integers(1, 3))
def test_every_epoch_holds_every_pack_once(plan: PackPlan, epochs: int) -> None:
    places = [pack for step in range(plan.steps(epochs)) for pack in plan.pack_ids(step)]
    for epoch in range(epochs):
        seen = places[epoch * plan.packs : (epoch + 1) * plan.packs]
        assert sorted(seen) == list(range(plan.packs))


@given(plans, st.floats(0.01, 5))
def test_steps_cover_the_epochs_and_no_step_more(plan: PackPlan, epochs: float) -> None:
    wanted = round(plan.packs * epochs)
    steps = plan.steps(epochs)
    assert steps * plan.packs_per_step >= wanted
    assert steps == 1 or (steps - 1) * plan.packs_per_step < wanted


def test_order_is_fixed_for_ever() -> None:
    # A resumed run relies on this order: a change here breaks every checkpoint.
    plan = PackPlan(seed=42, packs=10, packs_per_step=5)
    assert plan.pack_ids(0) + plan.pack_ids(1) == [5, 6, 0, 7, 3, 2, 4, 9, 1, 8]
    assert plan.pack_ids(2) != plan.pack_ids(0)


def test_seeds_give_different_orders() -> None:
    assert len({tuple(PackPlan(seed, 50, 50).pack_ids(0)) for seed in range(20)}) == 20
