"""Prompts as chains of hashed blocks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.serve.routing.prompt_blocks import prompt_blocks

BLOCK = 4
ids = st.lists(st.integers(0, 2), max_size=24)


def blocks(prompt: Any, adapter: Any = None) -> list[int]:
    return prompt_blocks([prompt, "sampling", "spec", None, adapter, "id"], {}, BLOCK)


@given(ids, ids)
def test_hashes_agree_exactly_as_far_as_the_prompts_do(one: list[int], other: list[int]) -> None:
    full = min(len(one), len(other)) // BLOCK
    alike = [one[: BLOCK * (n + 1)] == other[: BLOCK * (n + 1)] for n in range(full)]
    assert [a == b for a, b in zip(blocks(one), blocks(other), strict=False)] == alike


@given(ids.filter(lambda prompt: len(prompt) >= BLOCK))
def test_adapters_share_nothing(prompt: list[int]) -> None:
    assert not set(blocks(prompt)) & set(blocks(prompt, "one"))
    assert not set(blocks(prompt, "two")) & set(blocks(prompt, "one"))


def test_keywords_and_calls_without_an_adapter() -> None:
    prompt = list(range(9))
    assert prompt_blocks([], {"prompt_ids": prompt, "adapter": "one"}, BLOCK) == blocks(prompt, "one")
    assert prompt_blocks([prompt, [7], 3], {}, BLOCK) == blocks(prompt)
    assert len(blocks(prompt)) == 2


@pytest.mark.parametrize("prompt", [None, 7, "text", b"bytes", {}, [None], [1.5], ["1"], [2**70], [[1]], [1, 2, 3]])
def test_a_call_without_a_prompt_of_ids_has_no_blocks(prompt: Any) -> None:
    assert blocks(prompt) == []
    assert blocks([1, 2, 3, 4], ["no", "name"]) == []
    assert prompt_blocks([], {}, BLOCK) == []
