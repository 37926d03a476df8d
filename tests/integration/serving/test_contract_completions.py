"""Completions with the official `openai` client: prompts as text and ids, several at once, echo and scores."""

from typing import Any

import httpx
import openai
import pytest

from . import asking
from .asking import MODEL, Ask, asked_by
from .checks import check_usage

pytestmark = pytest.mark.timeout(900)

IDS = [104, 101, 108, 108, 111]
REQUESTS: dict[str, dict[str, Any]] = {
    "text": {"prompt": "What is"},
    "ids": {"prompt": IDS},
    "texts": {"prompt": ["What is", "the"]},
    "lists of ids": {"prompt": [IDS, IDS[:2]]},
    "several answers": {"prompt": ["What is", "the"], "n": 2},
    "echo": {"prompt": ["What is", "北京"], "echo": True, "n": 2},
    "scores": {"prompt": "What is", "logprobs": 2},
    "stop": {"prompt": "What is", "stop": ["e", "a"], "max_tokens": 60},
    "drawing": {"prompt": "What is", "temperature": 0.7, "top_p": 0.9, "presence_penalty": 1, "user": "u-1"},
    "greedy": {"prompt": "What is", "temperature": 0},
}
WAYS: list[Ask] = [asking.text_streamed, asking.text_async_whole, asking.text_async_streamed]


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 12, "seed": 5} | fields


def prompts_of(asked: dict[str, Any]) -> list[Any]:
    prompt = asked["prompt"]
    return [prompt] if isinstance(prompt, str) or isinstance(prompt[0], int) else prompt


def check(completion: Any, asked: dict[str, Any], prompt_tokens: int | None = None) -> None:
    assert completion.id.startswith("cmpl-")
    assert completion.object == "text_completion"
    prompts, choices = prompts_of(asked), asked.get("n", 1)
    assert [choice.index for choice in completion.choices] == list(range(len(prompts) * choices))
    for choice in completion.choices:
        assert choice.finish_reason in ("stop", "length")
        begin = prompts[choice.index // choices] if asked.get("echo") else ""
        assert choice.text.startswith(begin)
        assert not any(stop in choice.text for stop in asked.get("stop", ()))
        assert (choice.logprobs is not None) == ("logprobs" in asked)
        if choice.logprobs is not None:
            tokens, offsets = choice.logprobs.tokens, choice.logprobs.text_offset
            assert len(tokens) == len(offsets) == len(choice.logprobs.token_logprobs)
            assert sorted(offsets) == offsets
            assert all(len(top) <= asked["logprobs"] + 1 for top in choice.logprobs.top_logprobs)
    usage = completion.usage
    check_usage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, prompt_tokens)
    assert usage.completion_tokens <= asked["max_tokens"] * len(completion.choices)


def facts(completion: Any) -> Any:
    scored = [choice.logprobs.tokens if choice.logprobs else None for choice in completion.choices]
    told = [(choice.index, choice.text, choice.finish_reason) for choice in completion.choices]
    return told, scored, completion.usage.prompt_tokens, completion.usage.completion_tokens


def tokens_of_prompts(base_url: str, prompts: list[Any]) -> int:
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    counts = [httpx.post(f"{base_url}/tokenize", json={"prompt": text}).json()["count"] for text in texts]
    return sum(counts) + sum(len(prompt) for prompt in prompts if not isinstance(prompt, str))


@pytest.mark.parametrize("name", REQUESTS)
def test_every_way_of_asking_gives_the_same_right_answer(base_url: str, client: openai.OpenAI, name: str) -> None:
    asked = filled(REQUESTS[name])
    whole = asking.text_whole(client, **asked)
    check(whole, asked, tokens_of_prompts(base_url, prompts_of(asked)))
    for way in WAYS:
        answer = asked_by(way, base_url, **asked)
        check(answer, asked)
        assert facts(answer) == facts(whole), way.__name__


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [10**6]}, "prompt"),
        ({"prompt": "z " * 3000}, "prompt"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "echo": True, "logprobs": 1}, "logprobs"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
        ({"prompt": "a", "n": 1000}, "n"),
        ({"prompt": "a", "logit_bias": {"999999": 1}}, "logit_bias"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_field(
    client: openai.OpenAI, fields: dict[str, Any], parameter: str
) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            client.completions.create(stream=stream, **filled(fields))
        assert refused.value.param == parameter
        assert parameter in refused.value.message
