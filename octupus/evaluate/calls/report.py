"""The results as report.html: shares with intervals, bars by language, kind and source, and failures to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from octupus.evaluate.asking import shown
from octupus.evaluate.calls.dialogue import Dialogue, DialogueTotals
from octupus.evaluate.calls.question import Question
from octupus.evaluate.calls.request_score import RequestScore
from octupus.evaluate.calls.results import Results
from octupus.evaluate.calls.states import expected_turns
from octupus.evaluate.calls.summary import COLUMNS, counted, f1_row, share_rows
from octupus.evaluate.calls.totals import Totals
from octupus.evaluate.scoring import Reply
from octupus.page import Section, bar_chart, folded, preformatted, table, text, write_page

MOST_SHOWN = 500
"""Failures in the page; replies.jsonl has all."""
_GROUP_COLUMNS = ("right", "right_tools", "exact", "relevance", "irrelevance", "valid_calls")


def write_report(path: Path, results: Results) -> None:
    """Write the page to `path`."""
    overall = results.overall
    scores = table(COLUMNS, [*share_rows(overall.shares), f1_row(overall.argument_f1)])
    sections = [Section("In short", _summary(results)), Section("Scores", scores + _mismatches(overall))]
    if results.executed is not None:
        body = _executed(results.executed) + _wrong_dialogues(results.dialogues)
        sections.append(Section("Executed conversations", body))
    sections += [Section(f"By {grouping}", _group(members)) for grouping, members in results.groups.items()]
    sections.append(Section("Failures", _failures(results)))
    write_page(path, f"Calls of {results.config.endpoint.model}", sections)


def _summary(results: Results) -> str:
    dataset, overall = results.dataset, results.overall
    rows = [
        ("endpoint", results.config.endpoint.base_url),
        ("model", results.config.endpoint.model),
        ("positions", results.config.positions),
        ("conversations looked at", dataset.read),
        ("left out", counted(dataset.skipped) or "none"),
        ("conversations asked", len(dataset.conversations)),
        ("requests", overall.requests),
        ("failed, and nowhere right", f"{overall.failed} {counted(results.failures)}"),
    ]
    return table(["", ""], rows)


def _mismatches(overall: Totals) -> str:
    if not overall.mismatches:
        return text("No answer that came is wrong by BFCL's rules where calls are expected.")
    return table(["why calls are wrong by BFCL's rules", "requests"], list(overall.mismatches.items()))


def _executed(held: DialogueTotals) -> str:
    ends = ["conversations", "ended by a failed request", "ended by too many steps"]
    counts = table(ends, [(held.conversations, held.failed, held.too_long)])
    return counts + table(COLUMNS, list(share_rows(held.shares)))


def _wrong_dialogues(dialogues: Sequence[Dialogue]) -> str:
    wrong = [dialogue for dialogue in dialogues if not dialogue.right]
    if not wrong:
        return text("Every conversation is right.")
    return text(_shown_of(len(wrong))) + "\n".join(map(_dialogue, wrong[:MOST_SHOWN]))


def _dialogue(dialogue: Dialogue) -> str:
    """One conversation, folded: why it ended, each turn's verdict and expected calls, and all its messages."""
    record, conversation = dialogue.record, dialogue.conversation
    ended = f"failed: {record['error']}" if record["error"] else "too many steps" if record["exceeded"] else "wrong"
    turns = zip(dialogue.turns, expected_turns(conversation), strict=True)
    rows = [
        (number, turn.state_equal, turn.results_found, "; ".join(f"{name} {arguments}" for name, arguments in calls))
        for number, (turn, calls) in enumerate(turns, start=1)
    ]
    verdicts = table(["turn", "state as expected", "results found", "expected calls"], rows)
    messages = preformatted(json.dumps(record["messages"], ensure_ascii=False, indent=1))
    title = f"{ended} · {conversation.language} · {conversation.source} · {conversation.id[:12]}"
    return folded(title, verdicts + messages)


def _group(members: Mapping[str, Totals]) -> str:
    rows = [
        (name, each.requests, each.failed, *(str(each.shares[column]) for column in _GROUP_COLUMNS))
        for name, each in members.items()
    ]
    bars = {name: each.shares["right"].share or 0.0 for name, each in members.items()}
    return table(["", "requests", "failed", *_GROUP_COLUMNS], rows) + bar_chart(bars, "share right")


def _failures(results: Results) -> str:
    answers = zip(results.dataset.questions, results.replies, results.scores, strict=True)
    wrong = [answer for answer in answers if not answer[2].right]
    if not wrong:
        return text("Every answer is right.")
    return text(_shown_of(len(wrong))) + "\n".join(_failure(*answer) for answer in wrong[:MOST_SHOWN])


def _failure(question: Question, reply: Reply, score: RequestScore) -> str:
    """One failure, folded: why, prompt, got and expected, and the tools."""
    if score.ast is None:
        reason, detail = "failed", reply.error or ""
    else:
        reason, detail = str(score.ast.mismatch), score.ast.detail
    request, (identity, position) = question.request, question.key
    title = f"{reason} · {request.kind} · {request.language} · {question.source} · {identity[:12]}:{position}"
    tools = json.dumps(request.tools, ensure_ascii=False, indent=1)
    body = text(detail) + preformatted(shown(request, reply)) + folded("tools", preformatted(tools))
    return folded(title, body)


def _shown_of(wrong: int) -> str:
    return f"The first {MOST_SHOWN} of {wrong}." if wrong > MOST_SHOWN else f"All {wrong}."
