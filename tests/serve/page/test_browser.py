"""The page in headless Chromium, against canned answers of the API."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from octupus.decoding.explain import Explanation, PhaseRun, PreferredToken, Step

from .canned import CannedServer, browser, served

EXPLANATION = Explanation(
    steps=(
        Step(7, "<|FUNCTION_CALL|>", "start", 2, False, False, 0.25, 0.1, (PreferredToken(3, "<b>Hi</b>", 0.25),)),
        Step(8, "get", "name", 1, True, False, 0.0, 0.0),
        Step(9, ' {"', "arguments", 1200, False, True, 0.75, 0.0, (PreferredToken(5, "}", 0.75),)),
    ),
    phases=(PhaseRun("start", 1), PhaseRun("name", 1), PhaseRun("arguments", 1), PhaseRun("done", 0)),
    forced_share=1 / 3,
    removed_mean=1 / 3,
    removed_max=0.75,
    most_removed=(2, 0),
    hurried_from=2,
    refused_at=None,
)
CHECK = {
    "admitted": False,
    "tools": [
        {"name": "get_weather", "admitted": True, "verdict": "enforced", "backend": "llguidance", "error": None}
        | {"keywords": [{"keyword": "type", "json_pointer": "", "verdict": "enforced", "explanation": ""}]},
        {"name": "remind", "admitted": False, "verdict": "refused", "backend": None, "error": "cannot be enforced"}
        | {
            "keywords": [
                {
                    "keyword": "uniqueItems",
                    "json_pointer": "/properties/tags/uniqueItems",
                    "verdict": "refused",
                    "explanation": "no backend follows which items were written",
                }
            ]
        },
    ],
}
HTML = "<img src=x onerror=\"document.title='broken'\">"
ARGUMENTS = '{"city": "Paris", "days": 12345678901234567890, "x": [], "y": {"a": 1.0}}'


def calls(*given: tuple[str, str]) -> list[dict[str, Any]]:
    """Deltas of calls, their arguments in small pieces."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for index, (name, arguments) in enumerate(given):
        head = {"index": index, "id": f"id{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        deltas.append({"tool_calls": [head]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": arguments[at : at + 3]}}]}
            for at in range(0, len(arguments), 3)
        ]
    return deltas


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    """One tab for all tests, since opening one costs more than they do."""
    with browser() as started:
        opened = started.new_page()
        opened.set_default_timeout(60_000)
        yield opened


@pytest.fixture
def server() -> Iterator[CannedServer]:
    canned = CannedServer()
    canned.hold.set()
    with served(canned):
        yield canned


@pytest.fixture
def page(tab: Any, server: CannedServer) -> Iterator[Any]:
    """The page, on which no script may fail, and nothing may break the Content-Security-Policy."""
    problems: list[str] = []

    def note_error(message: Any) -> None:
        # An answer other than 2xx is logged as an error of the network, which tests provoke.
        if message.type == "error" and "Failed to load resource" not in message.text:
            problems.append(message.text)

    def note_exception(error: Any) -> None:
        problems.append(str(error))

    tab.on("console", note_error)
    tab.on("pageerror", note_exception)
    tab.goto(server.url)
    tab.locator("#model option").first.wait_for(state="attached")
    yield tab
    tab.remove_listener("console", note_error)
    tab.remove_listener("pageerror", note_exception)
    assert not problems


def send(page: Any, text: str) -> None:
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def finished(page: Any, answers: int) -> None:
    page.locator(".assistant[aria-busy=false]").nth(answers - 1).wait_for()


def test_calls_stream_and_the_conversation_goes_on_with_their_results(page: Any, server: CannedServer) -> None:
    server.answers = [
        calls(("get_weather", ARGUMENTS), ("remind", "{}")),
        [{"reasoning_content": "hm"}, {"content": "It is "}, {"content": HTML}],
    ]
    server.notes = {"explanation": EXPLANATION.to_json()}
    server.check = CHECK
    page.get_by_role("button", name="Example").click()
    page.get_by_label("Tool choice").select_option("get_weather")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Max tokens").fill("90")
    page.get_by_label("Several calls").uncheck()
    send(page, "Weather in Paris?")
    form = page.get_by_role("form", name="Results")
    form.wait_for()
    asked = server.asked[0]
    assert asked["model"] == "octupus"
    assert asked["messages"] == [{"role": "user", "content": "Weather in Paris?"}]
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert (asked["seed"], asked["max_tokens"], asked["parallel_tool_calls"], asked["explain"]) == (7, 90, False, True)
    assert "temperature" not in asked
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["get_weather", "remind"]
    shown = page.locator(".call").first
    assert shown.locator(".name").inner_text() == "get_weather"
    assert shown.locator("pre").inner_text() == (
        '{\n  "city": "Paris",\n  "days": 12345678901234567890,\n  "x": [],\n  "y": {\n    "a": 1.0\n  }\n}'
    )
    assert page.get_by_role("button", name="Send", exact=True).is_disabled(), "results come first"

    form.get_by_label("Result of get_weather").fill('{"sky": "clear"}')
    form.get_by_role("button", name="Send results").click()
    finished(page, 2)
    sent = server.asked[1]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["function"]["arguments"] for call in sent[1]["tool_calls"]] == [ARGUMENTS, "{}"]
    assert [message["tool_call_id"] for message in sent[2:]] == ["id0", "id1"]
    assert sent[2]["content"] == '{"sky": "clear"}'
    assert page.locator(".assistant").last.locator(".text").inner_text() == f"It is {HTML}"
    assert page.title() == "octupus", "markup in an answer stays text"
    assert "12 tokens in, 34 out" in page.locator(".assistant").last.inner_text()


def test_admission_is_shown_before_anything_is_sent(page: Any, server: CannedServer) -> None:
    server.check = CHECK
    page.get_by_role("button", name="Example").click()
    refused = page.locator(".admission details", has_text="remind")
    refused.wait_for()
    assert refused.get_attribute("open") is not None
    assert "/properties/tags/uniqueItems" in refused.inner_text()
    assert page.locator(".admission details", has_text="get_weather").get_attribute("open") is None
    assert server.checked[-1]["on_unenforceable"] is None
    with page.expect_response("**/v1/tools:check"):
        page.get_by_label("What cannot be enforced").select_option("check")
    assert server.checked[-1]["on_unenforceable"] == "check"
    assert not server.asked


@pytest.mark.parametrize(
    ("text", "said"),
    [("[{", "Not valid JSON"), ("{}", "must be a list"), ('[{"type": "function"}]', "Tool 1 must be")],
)
def test_tools_that_are_none_are_told_and_not_sent(page: Any, server: CannedServer, text: str, said: str) -> None:
    page.get_by_label("Tools as JSON").fill(text)
    assert said in page.locator("#tools-problem").inner_text()
    send(page, "hello")
    assert not server.asked
    assert not server.checked


def test_numbers_of_a_schema_are_sent_as_they_were_typed(page: Any, server: CannedServer) -> None:
    large = 2**63 - 1
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": large}}}
    server.answers = [[{"content": "x"}]]
    page.get_by_label("Tools as JSON").fill(
        json.dumps([{"type": "function", "function": {"name": "t", "parameters": schema}}])
    )
    send(page, "hello")
    finished(page, 1)
    assert server.asked[0]["tools"][0]["function"]["parameters"] == schema


def test_the_token_mask_is_shown_and_keys_move_in_it(page: Any, server: CannedServer) -> None:
    server.answers, server.notes = [calls(("get", "{}"))], {"explanation": EXPLANATION.to_json()}
    send(page, "hello")
    mask = page.locator(".mask")
    mask.locator("summary").click()
    tokens = mask.locator(".tokens .token")
    assert tokens.all_inner_texts() == ["<|FUNCTION_CALL|>", "get", '·{"']
    assert "phase-name" in tokens.nth(1).get_attribute("class")
    assert "forced" in tokens.nth(1).get_attribute("class").split()
    assert "much" in tokens.nth(2).get_attribute("class").split()
    tip = mask.locator(".tip")
    tokens.nth(0).focus()
    assert '"<b>Hi</b>" 25.0 %' in tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert "Forced" in tip.inner_text()
    page.keyboard.press("End")
    assert "at least 75.0 %" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    assert "from token 3 on" in mask.inner_text()


def test_a_stopped_answer_is_aborted_and_leaves_no_trace(page: Any, server: CannedServer) -> None:
    server.hold.clear()
    server.answers = [[{"content": "on and "}, {"content": "on"}], [{"content": "Hi."}]]
    send(page, "tell me")
    page.get_by_text("on and").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped; not part").wait_for()
    assert server.left.wait(60), "the endpoint sees that nobody listens"
    prompt = page.get_by_role("textbox", name="Message", exact=True)
    assert prompt.input_value() == "tell me", "what was asked can be sent again"
    server.hold.set()
    send(page, "hello")
    page.get_by_text("Hi.").wait_for()
    assert server.asked[-1]["messages"] == [{"role": "user", "content": "hello"}]


def test_errors_are_shown_with_their_field(page: Any, server: CannedServer) -> None:
    server.refusal = {"message": "must be at most 2", "type": "invalid_request_error", "param": "temperature"}
    page.get_by_label("Temperature").fill("5")
    send(page, "hello")
    error = page.locator(".error")
    error.wait_for()
    assert error.inner_text() == "must be at most 2\nHTTP 400 · field temperature"
    assert server.asked[0]["temperature"] == 5
    server.refusal = None
    server.answers = [[{"content": "Cle"}, {"error": {"message": "the engine failed", "code": "engine_failed"}}]]
    send(page, "hello")
    page.get_by_text("the engine failed").wait_for()
    assert page.locator(".assistant.left-out .text").inner_text() == "Cle"


def test_a_key_opens_the_endpoint_and_is_kept_nowhere(page: Any, server: CannedServer) -> None:
    server.key = "s3cret"
    page.reload()
    page.get_by_text("asks for an API key").wait_for()
    page.get_by_label("API key").fill("s3cret")
    page.keyboard.press("Tab")
    page.locator("#model option").nth(1).wait_for(state="attached")
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    assert "s3cret" not in kept


def test_events_are_the_same_wherever_their_bytes_are_cut(page: Any) -> None:
    values = ["plain", "é漢🐙", '{"a": 1}', "[DONE]"]
    for ending in ("\n", "\r\n", "\r"):
        lines = [f": comment{ending}", *(f"data: {value}{ending}{ending}" for value in values)]
        data = list("".join(lines).encode())
        for seed in range(20):
            cuts = sorted(random.Random(seed).choices(range(len(data)), k=15))
            pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
            read = page.evaluate(
                """async (pieces) => {
                  const { eventData } = await import("/page/sse.js");
                  const stream = new ReadableStream({ start(controller) {
                    for (const piece of pieces) controller.enqueue(new Uint8Array(piece));
                    controller.close();
                  } });
                  const read = [];
                  for await (const data of eventData(stream)) read.push(data);
                  return read;
                }""",
                pieces,
            )
            assert read == values, (ending, pieces)


def test_at_phone_width_nothing_overflows(page: Any, server: CannedServer) -> None:
    server.check = CHECK
    server.answers, server.notes = [calls(("get_weather", ARGUMENTS))], {"explanation": EXPLANATION.to_json()}
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name="Example").click()
    page.locator(".admission details").first.wait_for()
    send(page, "x" * 200)
    page.locator(".mask summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
