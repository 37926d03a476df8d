"""The page's search view in headless Chromium, against a scripted agent and against the real one."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from octupus.agent.stream.api import make_app
from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.stream.service import AgentService
from octupus.agent.tools.toolbox import Toolbox
from tests.agent.in_process_source import InProcessSource
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers, calls, gives_up
from tests.agent.stream.serving import TOOLS

from .canned import CannedServer, browser, served
from .canned_agent import CannedAgent, Step, begun, end, message, over

HTML = "<img src=x onerror=\"document.title='broken'\">"
START: Step = {"method_name": "on_request_start", "user_input": "q", "method": "DFS_woFilter_w2", "tools": ["a", "b"]}
GIVE_UP = '{"return_type": "give_up_and_restart"}'
ANSWER = '{"return_type": "give_answer", "final_answer": "42"}'


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with browser() as started:
        opened = started.new_page()
        opened.set_default_timeout(60_000)
        yield opened


@pytest.fixture
def server() -> Iterator[CannedAgent]:
    canned = CannedAgent()
    with served(canned):
        yield canned
        for _ in range(99):
            canned.going_on.release()


@pytest.fixture
def page(tab: Any, server: CannedAgent) -> Iterator[Any]:
    yield from opened_search(tab, server.url)


def opened_search(tab: Any, url: str) -> Iterator[Any]:
    """The view, on which no script may fail, and nothing may break the Content-Security-Policy."""
    problems: list[str] = []

    def note_error(message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text and "ERR_" not in message.text:
            problems.append(message.text)

    def note_exception(error: Any) -> None:
        problems.append(str(error))

    tab.on("console", note_error)
    tab.on("pageerror", note_exception)
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto(url)
    tab.get_by_role("button", name="Search", exact=True).click()
    yield tab
    tab.remove_listener("console", note_error)
    tab.remove_listener("pageerror", note_exception)
    assert not problems


def ask(page: Any, text: str = "What is six times seven?") -> None:
    page.get_by_role("textbox", name="Question").fill(text)
    page.keyboard.press("Enter")


def row(page: Any, number: int) -> Any:
    """A node's row."""
    return page.locator(".row").filter(has=page.get_by_text(str(number), exact=True))


def status(page: Any, *said: str) -> None:
    for each in said:
        page.locator("#search-status").filter(has_text=each).wait_for()


def test_the_tree_grows_while_it_streams_and_every_node_can_be_read(page: Any, server: CannedAgent) -> None:
    first = message(
        1, 0, ("look", '{"at": 1}'), ("look", '{"at": 2}'), content="Let me see.", results=[(0, '{"is": 6}')]
    )
    server.script = [
        *(START, *first, "wait"),
        *(
            {"method_name": "on_tool_end", "node": 1, "parent": 0, "call_id": "c1", "status": 11, "output": HTML},
            *over(1, 0),
        ),
        *(*message(2, 1, ("Finish", GIVE_UP), results=[(4, "given up")]), *over(2, 1, "give_up_and_restart"), "wait"),
        *(*message(3, 1, content=HTML), *over(3, 1, why_pruned="max_step")),
        *(
            *begun(4, 0),
            {"method_name": "on_llm_error", "node": 4, "parent": 0, "reason": "timeout", "detail": "300 s"},
        ),
        *(*over(4, 0, why_pruned="endpoint"), "wait"),
        *(
            *message(5, 0, ("Finish", ANSWER), results=[(3, "answered")]),
            *over(5, 0, "give_answer"),
            end(5, f"42 {HTML}"),
        ),
    ]
    ask(page)
    status(page, "Searching", "1 nodes", "100 tokens in, 1 out")
    assert page.get_by_role("treeitem").count() == 2, "the question, and one message"
    detail = page.get_by_label("Selected node")
    assert "Let me see." in detail.inner_text(), "the newest node is looked at"
    assert detail.locator(".badge").all_inner_texts() == ["ok", "waiting"]
    assert page.locator(".row.busy").count() == 1
    server.going_on.release()

    row(page, 2).get_by_text("gave up").wait_for()
    assert row(page, 1).locator(".badge").all_inner_texts() == ["1 error"]
    assert page.locator("[role=treeitem] [role=treeitem] [role=treeitem]").count() == 1
    row(page, 1).click()
    assert HTML in detail.inner_text()
    assert detail.locator(".badge").all_inner_texts() == ["ok", "tool error"]
    server.going_on.release()

    row(page, 4).get_by_text("failed").wait_for()
    assert row(page, 3).locator(".badge").all_inner_texts() == ["pruned"]
    assert "Let me see." in detail.inner_text(), "what a person chose stays"
    row(page, 4).hover()
    assert "timeout: 300 s" in detail.inner_text()
    row(page, 3).hover()
    assert "max step" in detail.inner_text()
    assert HTML in detail.inner_text()
    page.locator("#search-status").hover()
    assert "Let me see." in detail.inner_text()
    server.going_on.release()

    status(
        page,
        "Finished",
        "5 nodes",
        "1 answer",
        "1 gave up",
        "1 pruned",
        "1 failed",
        "5 queries",
        "1,500 tokens in, 15 out",
    )
    assert page.locator("#search-answer .text").inner_text() == f"42 {HTML}"
    assert page.locator(".row.chosen .number").all_inner_texts() == ["0", "5"]
    assert page.locator(".row.busy").count() == 0
    assert page.title() == "octupus", "markup in a message stays text"
    assert server.questions == [{"text": "What is six times seven?", "method": "DFS_woFilter_w2"}]


def test_keys_move_in_the_tree(page: Any, server: CannedAgent) -> None:
    tree = [
        step
        for node, parent in ((1, 0), (2, 1), (3, 1), (4, 0))
        for step in (*message(node, parent), *over(node, parent))
    ]
    server.script = [START, *tree, end(4, "")]
    ask(page)
    status(page, "Finished")
    row(page, 4).click()

    def at() -> int:
        return int(page.locator("[role=treeitem]:focus > .row .number").inner_text())

    moves = [
        ("Home", 0), ("ArrowDown", 1), ("ArrowRight", 2), ("ArrowRight", 2), ("ArrowDown", 3), ("ArrowDown", 4),
        ("ArrowDown", 4), ("ArrowUp", 3), ("ArrowLeft", 1), ("End", 4), ("ArrowLeft", 0), ("ArrowUp", 0),
    ]  # fmt: skip
    for key, number in moves:
        page.keyboard.press(key)
        assert at() == number, key
        assert page.locator("[role=treeitem][aria-selected=true] > .row .number").inner_text() == str(number)
        assert page.locator("[role=treeitem][tabindex='0']").count() == 1
    assert "ended without an answer" in page.locator("#search-answer").inner_text()


def test_method_tools_and_key_are_sent(page: Any, server: CannedAgent) -> None:
    server.script = [end(0, "done")]
    page.get_by_label("API key").fill("s3cret")
    page.get_by_label("Method").select_option("CoT@1")
    page.get_by_label("Tools offered").fill("3")
    ask(page, "go")
    status(page, "Finished")
    assert server.questions == [{"text": "go", "method": "CoT@1", "top_k": 3}]
    assert server.authorization == ["Bearer s3cret"]


def test_without_a_retriever_none_is_asked(tab: Any, server: CannedAgent) -> None:
    server.retrieval = False
    for page in opened_search(tab, server.url):
        page.get_by_text("All of 3 tools are offered.").wait_for()
        assert page.get_by_label("Tools offered").is_disabled()


def test_without_an_agent_the_page_says_so_and_finds_one_elsewhere(tab: Any, server: CannedAgent) -> None:
    server.there = False
    for page in opened_search(tab, server.url):
        page.get_by_text("No agent is served here.").wait_for()
        address = page.get_by_label("Address")
        address.fill("http:" + "//127.0.0.1:1/agent/stream")
        page.keyboard.press("Tab")
        page.get_by_text("can only ask its own server").wait_for()
        server.there = True
        address.fill("/agent/stream")
        page.keyboard.press("Tab")
        page.get_by_label("Method").locator("option").nth(1).wait_for(state="attached")
        assert page.locator("#agent-problem").inner_text() == ""
        page.get_by_role("button", name="Chat", exact=True).click()
        assert page.get_by_role("textbox", name="Message", exact=True).is_visible()
        assert page.get_by_role("textbox", name="Question").is_hidden()


@pytest.mark.parametrize("last", [[], [b'{"method_name": "on_reque'], ["break"]], ids=["ended", "mid-line", "broken"])
def test_a_stream_that_is_cut_is_told_and_what_came_stays(page: Any, server: CannedAgent, last: list[Step]) -> None:
    server.script = [START, *message(1, 0, ("look", "{}")), *last]
    ask(page)
    page.locator("#search-answer .error").get_by_text("The stream broke off").wait_for()
    status(page, "Broken off", "1 nodes")
    assert page.locator(".row.busy").count() == 0
    server.script = [end(0, "done")]
    ask(page, "again")
    status(page, "Finished")
    assert page.locator(".error").count() == 0


def test_lines_that_are_no_events_are_told_and_the_others_are_read(page: Any, server: CannedAgent) -> None:
    strange: list[Step] = [
        b"<html>\n",
        b"\n",
        b"[1]\n",
        {"method_name": "on_new_thing"},
        {},
        {"method_name": "constructor", "node": 1},
    ]
    server.script = [START, *strange, *message(1, 0), *over(1, 0), end(1, "done")]
    ask(page)
    status(page, "Finished", "1 nodes")
    assert page.locator("#search-notes").inner_text() == "2 lines of the stream are no event; the last: [1]"


def test_a_search_can_be_stopped(page: Any, server: CannedAgent) -> None:
    server.script = [START, *message(1, 0, ("look", "{}")), "wait", end(1, "done")]
    ask(page)
    row(page, 1).wait_for()
    page.get_by_role("button", name="Stop").click()
    status(page, "Stopped", "1 nodes")
    assert server.left.wait(60), "the agent sees that nobody listens"
    assert page.get_by_role("button", name="Start").is_visible()


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ((429, {"message": "try again in 5 s", "code": "overloaded"}), "try again in 5 s\nHTTP 429 · overloaded"),
        ((400, {"message": "method: unknown", "param": "method"}), "method: unknown\nHTTP 400 · field method"),
    ],
)
def test_a_refusal_is_shown(page: Any, server: CannedAgent, refusal: tuple[int, Any], said: str) -> None:
    server.agent_refusal = refusal
    ask(page)
    error = page.locator("#search-answer .error")
    error.wait_for()
    assert error.inner_text() == said


def test_an_error_at_the_end_is_shown(page: Any, server: CannedAgent) -> None:
    server.script = [START, *message(1, 0), {"method_name": "on_error", "error": "took too long", "code": "timeout"}]
    ask(page)
    status(page, "Failed", "1 nodes")
    assert page.locator("#search-answer .error").inner_text() == "took too long\ntimeout"


def test_any_tree_is_folded_from_its_events(page: Any) -> None:
    """Against a tree kept in Python, with the events of chains that are under way at once."""
    for seed in range(40):
        draw = random.Random(seed)
        parents = {node: draw.randrange(node) for node in range(1, draw.randrange(2, 30))}
        outcomes = {node: draw.choice(["", "answer", "gave up", "pruned"]) for node in parents}
        finishes = {"answer": "give_answer", "gave up": "give_up_and_restart"}
        events: list[Step] = []
        for node, parent in parents.items():
            outcome = outcomes[node]
            events += message(node, parent, ("t", "{}"), results=[(draw.choice([0, 11]), "r")])
            events += over(node, parent, finishes.get(outcome), "loop" if outcome == "pruned" else "")
        last = draw.choice(list(parents))
        read = page.evaluate(
            """async (events) => {
              const { SearchTree } = await import("/page/search_tree.js");
              const tree = new SearchTree();
              for (const event of events) tree.push(event);
              const told = tree.messages.map((node) => [node.number, node.parent.number, node.outcome, node.errors]);
              const children = tree.messages.map((node) => node.children.map((child) => child.number));
              return { told, children, roots: tree.roots.length, chosen: [...tree.chosen], spent: tree.spent };
            }""",
            [*events, end(last, "done")],
        )
        assert [tuple(each[:3]) for each in read["told"]] == [(node, parents[node], outcomes[node]) for node in parents]
        failed = sum(isinstance(each, dict) and each.get("status") == 11 for each in events)
        assert sum(each[3] for each in read["told"]) == failed
        assert read["children"] == [[child for child in parents if parents[child] == node] for node in parents]
        assert read["roots"] == 1
        path = {0, last}
        while last:
            last = parents[last]
            path.add(last)
        assert set(read["chosen"]) == path
        assert read["spent"] == {"queries": 5, "tokensIn": 1500, "tokensOut": 15}


def test_lines_are_the_same_wherever_their_bytes_are_cut(page: Any) -> None:
    values = [{"a": "é漢🐙"}, {"b": "x\ny"}, {}]
    data = list(b"\n".join(json.dumps(value, ensure_ascii=False).encode() for value in values) + b"\r\nnot JSON")
    for seed in range(40):
        cuts = sorted(random.Random(seed).choices(range(len(data)), k=9))
        pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        read = page.evaluate(
            """async (pieces) => {
              const { jsonLines } = await import("/page/json_lines.js");
              const stream = new ReadableStream({ start(controller) {
                for (const piece of pieces) controller.enqueue(new Uint8Array(piece));
                controller.close();
              } });
              const [read, malformed] = [[], []];
              for await (const value of jsonLines(stream, (line) => malformed.push(line))) read.push(value);
              return [read, malformed];
            }""",
            pieces,
        )
        assert read == [values, ["not JSON"]], pieces


def test_at_phone_width_nothing_overflows(page: Any, server: CannedAgent) -> None:
    chain = [
        step
        for node in range(1, 9)
        for step in (*message(node, node - 1, ("x" * 60, '{"y": "' + "z" * 300 + '"}')), *over(node, node - 1))
    ]
    server.script = [START, *chain, end(8, "w" * 300)]
    page.set_viewport_size({"width": 360, "height": 740})
    ask(page)
    status(page, "Finished")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


class WithAgent(CannedServer):
    """The page beside a real agent."""

    def __init__(self, service: AgentService) -> None:
        super().__init__()
        self.service = service

    def app(self) -> Starlette:
        app = super().app()
        app.routes.append(Mount("/agent", make_app(self.service)))
        return app


def test_the_real_agents_search_is_drawn_as_it_was(tab: Any) -> None:
    def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
        spoken = sum(message["role"] == "assistant" for message in messages)
        if spoken == 0:
            return calls(("deposit", {"cents": seed % 100}), ("balance", {}))
        return gives_up() if seed % 3 or len(endpoint.requests) < 5 else answers("There is money.")

    endpoint = ScriptedEndpoint(policy)
    try:
        toolbox = Toolbox([InProcessSource.of(*TOOLS, initial=lambda seed: {"balance": 0})])
        service = AgentService(AgentAppConfig(), toolbox, endpoint.client())
        with served(WithAgent(service)) as canned:
            for page in opened_search(tab, canned.url):
                page.get_by_text("All of 2 tools are offered.").wait_for()
                with page.expect_response("**/agent/stream") as response:
                    ask(page, "Put money in")
                status(page, "Finished")
                lines = [json.loads(line) for line in response.value.text().splitlines()]
                made = {line["node"]: line["parent"] for line in lines if line["method_name"] == "on_chain_start"}
                last = lines[-1]
                assert last["method_name"] == "on_request_end"
                assert len(made) == last["query_count"] == len(endpoint.requests) > 3
                drawn = page.locator(".row .number").all_inner_texts()
                assert sorted(map(int, drawn)) == [0, *sorted(made)]
                for node, parent in made.items():
                    nested = page.locator(f"li:has(> .row .number:text-is('{parent}')) > ul > li > .row .number")
                    assert str(node) in nested.all_inner_texts()
                looked_at = page.locator("[aria-selected=true] > .row .number").inner_text()
                assert looked_at == str(last["node"]), "the end of the chain that counts"
                said = "There is money." if last["win"] else "The agent gave up."
                page.locator("#search-answer").get_by_text(said).wait_for()
    finally:
        endpoint.close()
