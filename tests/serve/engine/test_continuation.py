"""Seeds and penalties by position, without an engine; tests/integration/test_constrained_engine.py has the real one."""

from types import SimpleNamespace
from typing import Any

import torch

from octupus.serve.engine.continuation import EXISTING, PositionGenerator, seed_generators, whole_answers


def state(prompt: list[int], output: list[int], existing: int, seed: int | None = 5) -> Any:
    parameters = SimpleNamespace(seed=seed, extra_args={EXISTING: existing} if existing else None)
    return SimpleNamespace(prompt_token_ids=prompt, output_token_ids=output, sampling_params=parameters, generator=None)


def draw(states: dict[str, Any], row: int) -> list[float]:
    generators: dict[int, Any] = {row: torch.Generator("cpu")}
    seed_generators(generators, list(states), states)
    # As vLLM's sampler does, and as it steps back a draw that it throws away.
    numbers = torch.empty(4).exponential_(generator=generators[row])
    generators[row].set_offset(generators[row].get_offset() - 4)
    return numbers.tolist()


def test_a_draw_depends_on_the_seed_and_the_position_in_the_answer() -> None:
    unbroken = state([1, 2], [3, 4, 5], 0)
    continued = state([1, 2, 3, 4], [5], 2)
    later = state([1, 2], [3, 4, 5, 6], 0)
    other = state([1, 2], [3, 4, 5], 0, seed=6)
    draws = [draw({"a": unbroken, "b": each}, 1) for each in (unbroken, continued, later, other)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
    assert draws[0] != draws[3]
    assert isinstance(continued.generator, PositionGenerator)


def test_tokens_that_existed_before_count_as_the_answer() -> None:
    states = {"a": state([1, 2, 3], [4], 2, None), "b": state([1, 2, 3], [4], 0, None)}
    assert whole_answers([[4], [4]], ["a", "b"], states) == [[2, 3, 4], [4]]
