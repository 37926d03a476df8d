"""A streamed answer and a whole one are the same answer, as Chat Completions and Completions write it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from octupus.chat.dialect import CallDelta, ContentDelta, ReasoningDelta
from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.serve.answers.answer import Answer
from octupus.serve.answers.chat import ChatWriter
from octupus.serve.answers.logprobs import TokenTexts
from octupus.serve.answers.text import TextParser, TextWriter
from octupus.serve.answers.writing import ChunkWriting
from octupus.serve.engine.sampling import Generated


def streamed(writing: ChunkWriting, answers: list[Answer], items: list[list[Generated]]) -> list[str]:
    """The data of each event, the answers' items taken in turns."""
    text = writing.opening()
    for position in range(max(map(len, items))):
        for answer, own in zip(answers, items, strict=True):
            if position < len(own):
                text += writing.progress(answer, answer.push(own[position]))
    text += writing.ending()
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    assert events.pop() == "[DONE]"
    return events


def draw_items(tokenizer: ChatTokenizer, data: st.DataObject) -> list[Generated]:
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=30))
    reason = data.draw(st.sampled_from(["stop", "length"]))
    parts = [ids[begin : begin + 3] for begin in range(0, len(ids), 3)]
    scored = [Generated(part, None, [[(token, -1.5), (0, -0.5)] for token in part]) for part in parts]
    return [*scored, Generated([], reason, [])]


@given(data=st.data())
def test_the_whole_answer_is_the_fold_of_the_stream(tokenizer: ChatTokenizer, data: st.DataObject) -> None:
    items = [draw_items(tokenizer, data) for _ in range(data.draw(st.integers(1, 3)))]
    answers = [
        Answer(OCTUPUS.parser(tokenizer), 7, control=tokenizer.control_tokens.values(), index=index)
        for index in range(len(items))
    ]
    writer = ChatWriter("m", answers, TokenTexts(TokenVocabulary(tokenizer)))
    events = streamed(ChunkWriting(writer, answers, include_usage=True), answers, items)
    received = [ChatCompletionChunk.model_validate_json(event) for event in events]
    completion = writer.completion()
    for choice in completion.choices:
        mine = [part for chunk in received for part in chunk.choices if part.index == choice.index]
        calls: dict[int, dict[str, Any]] = {}
        for part in mine:
            for call in part.delta.tool_calls or ():
                assert call.function is not None
                known = calls.setdefault(call.index, {"id": call.id, "name": "", "arguments": ""})
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
        assert (choice.message.content or "") == "".join(part.delta.content or "" for part in mine)
        assert [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}  # type: ignore[union-attr]
            for call in choice.message.tool_calls or ()
        ] == [call for _, call in sorted(calls.items())]
        assert [part.finish_reason for part in mine if part.finish_reason] == [choice.finish_reason]
        told = [token for part in mine if part.logprobs for token in part.logprobs.content or ()]
        assert choice.logprobs is not None
        assert told == choice.logprobs.content
    assert completion.usage is not None
    assert completion.usage == received[-1].usage
    assert completion.usage.completion_tokens == sum(len(item.ids) for own in items for item in own)
    assert completion.usage.total_tokens == 7 + completion.usage.completion_tokens


@given(data=st.data(), echoed=st.text(max_size=5))
def test_completions_stream_and_fold_alike(tokenizer: ChatTokenizer, data: st.DataObject, echoed: str) -> None:
    items = [draw_items(tokenizer, data) for _ in range(2)]
    answers = [Answer(TextParser(tokenizer), 7, control=tokenizer.control_tokens.values(), index=i) for i in range(2)]
    writer = TextWriter("m", answers, 1, [echoed] * 2, TokenTexts(TokenVocabulary(tokenizer)))
    events = streamed(ChunkWriting(writer, answers, include_usage=True), answers, items)
    received = [json.loads(event) for event in events]
    completion = writer.completion()
    for choice in completion.choices:
        mine = [part for chunk in received for part in chunk["choices"] if part["index"] == choice.index]
        assert choice.text == "".join(part["text"] for part in mine)
        assert [part["finish_reason"] for part in mine if part["finish_reason"]] == [choice.finish_reason]
        offsets = [place for part in mine if part["logprobs"] for place in part["logprobs"]["text_offset"]]
        assert choice.logprobs is not None or not offsets
        assert offsets == (choice.logprobs.text_offset if choice.logprobs else [])
        assert offsets == sorted(offsets)
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 14
    assert received[-1]["usage"]["total_tokens"] == completion.usage.total_tokens


@given(data=st.data())
def test_events_from_a_frame_are_those_of_whole_objects(tokenizer: ChatTokenizer, data: st.DataObject) -> None:
    answer = Answer(OCTUPUS.parser(tokenizer), 7)
    writer = ChatWriter('a "model"', [answer])
    for delta in data.draw(
        st.lists(
            st.one_of(
                st.builds(ContentDelta, st.text(min_size=1)),
                st.builds(ReasoningDelta, st.text(min_size=1)),
                st.builds(CallDelta, st.integers(0, 2), st.none(), st.text(min_size=1)),
            )
        )
    ):
        whole = ChatCompletionChunk.model_validate_json(writer.events(answer, [delta]).removeprefix("data: "))
        assert whole.id == writer.id
        (choice,) = whole.choices
        if isinstance(delta, CallDelta):
            assert choice.delta.tool_calls is not None
            (call,) = choice.delta.tool_calls
            assert call.function is not None
            assert (call.index, call.function.name, call.function.arguments) == (delta.index, None, delta.arguments)
        elif isinstance(delta, ContentDelta):
            assert choice.delta.content == delta.text
        else:
            assert choice.delta.reasoning_content == delta.text  # type: ignore[attr-defined]
