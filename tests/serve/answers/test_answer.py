"""A streamed answer and a whole one are the same answer."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.serve.answers.answer import Answer
from octupus.serve.answers.events import sse


@given(data=st.data())
def test_the_whole_answer_is_the_fold_of_the_stream(tokenizer: ChatTokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=40))
    reason = data.draw(st.sampled_from(["stop", "length"]))
    answer = Answer("m", 7, OCTUPUS.parser(tokenizer))
    chunks = [answer.first_chunk()]
    for position in range(0, len(ids), 3):
        chunks += [answer.chunk(delta) for delta in answer.push(ids[position : position + 3], None)]
    chunks += [answer.chunk(delta) for delta in answer.push([], reason)]
    chunks += [answer.last_chunk(), answer.usage_chunk()]

    # Through the wire and back, as a client sees them.
    received = [ChatCompletionChunk.model_validate_json(sse(chunk).removeprefix("data: ")) for chunk in chunks]
    content, calls = "", {}
    for chunk in received:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                known: dict[str, Any] = calls.setdefault(call.index, {"id": call.id, "name": "", "arguments": ""})
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
    completion = answer.completion()
    message = completion.choices[0].message
    assert (message.content or "") == content
    assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()] == [
        (call["id"], call["name"], call["arguments"]) for _, call in sorted(calls.items())
    ]
    reasons = [choice.finish_reason for chunk in received for choice in chunk.choices if choice.finish_reason]
    assert reasons == [completion.choices[0].finish_reason]
    assert (reasons[0] == "length") == (reason == "length")
    assert completion.usage is not None
    assert completion.usage == received[-1].usage
    assert completion.usage.completion_tokens == len(ids)
    assert completion.usage.total_tokens == 7 + len(ids)
