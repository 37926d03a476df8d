"""One evaluation: read answers, cast the votes that are missing, count them, and write the results."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from octupus.agent.judge.config import EvaluateToolbenchConfig
from octupus.agent.judge.converted import ConvertedAnswer, load_json, read_answers
from octupus.agent.judge.golden import Golden, read_golden
from octupus.agent.judge.ledger import VoteLedger
from octupus.agent.judge.pass_rate import AnswerVote, vote_on
from octupus.agent.judge.report import write_report
from octupus.agent.judge.results import AnswerVotes, Candidate, Results
from octupus.agent.judge.rule_judge import RuleJudge
from octupus.agent.judge.summary import summary_text
from octupus.agent.judge.verdict import Judge
from octupus.agent.judge.win_rate import PreferenceVote, outright, vote_on_pair
from octupus.errors import EvaluationError
from octupus.telemetry import event, progress, write_json, write_run_record

VOTES = "votes.jsonl"
RESULTS = "results.json"
SUMMARY = "summary.txt"
REPORT = "report.html"

Answers = Mapping[str, ConvertedAnswer]
Cast = TypeVar("Cast")

logger = logging.getLogger(__name__)


async def evaluate_toolbench(config: EvaluateToolbenchConfig) -> str:
    """Write all results, and give the table that sums them up.

    Called again with the same output, it asks only for votes that are not there. Raises EvaluationError when answers
    cannot be read, and when votes are missing unless the configuration allows it; the votes that came are kept.
    """
    _refuse_foreign(config.output)
    golden = read_golden(config.golden) if config.golden is not None else {}
    read = {name: read_answers(path) for name, path in config.candidates.items()}
    query_ids = _query_ids(config, read, golden)
    answers = {
        name: {query_id: found[query_id] for query_id in query_ids if query_id in found} for name, found in read.items()
    }
    _check_same_queries(answers)
    async with _judge(config, golden) as (judge, replies):
        candidates = await _candidates(config, answers, query_ids, judge)
        if config.reference is not None:
            _check_whole(Results(config, candidates, replies))
            candidates = await _compared(config, candidates, judge)
    results = Results(config, candidates, replies)
    _check_whole(results)
    write_run_record(config.output, config)
    write_json(config.output / RESULTS, results.to_json())
    write_report(config.output / REPORT, results)
    text = summary_text(results)
    (config.output / SUMMARY).write_text(text, encoding="utf-8")
    return f"{text}{config.output / REPORT}"


@asynccontextmanager
async def _judge(
    config: EvaluateToolbenchConfig, golden: Mapping[str, Golden]
) -> AsyncIterator[tuple[Judge, Counter[str]]]:
    """The judge, and the counts of its replies."""
    if config.judge == "rule":
        yield RuleJudge(golden), Counter()
        return
    # Imported here: the client takes a second to import, and rules need none.
    from octupus.agent.judge.endpoint_judge import EndpointJudge
    from octupus.endpoint.client import EndpointClient

    client = EndpointClient(config.model, config.sampling, config.endpoint, config.endpoint.api_key())
    try:
        with VoteLedger(config.output / VOTES, _settings(config)).open() as ledger:
            event(logger, "opened", votes=len(ledger.votes), **ledger.totals)
            yield EndpointJudge(client, ledger, config.seed, config.attempts, config.concurrency), ledger.totals
    finally:
        await client.close()


def _settings(config: EvaluateToolbenchConfig) -> dict[str, Any]:
    """What votes depend on besides the texts, which are part of their keys; not where or how fast is asked."""
    sampling = {f"sampling.{name}": value for name, value in config.sampling.model_dump(mode="json").items()}
    return {
        "model": config.model,
        "seed": config.seed,
        **sampling,
        "endpoint.extra_body": config.endpoint.extra_body,
    }


async def _candidates(
    config: EvaluateToolbenchConfig, answers: Mapping[str, Answers], query_ids: Sequence[str], judge: Judge
) -> list[Candidate]:
    async def cast(name: str, query_id: str, vote: int) -> AnswerVote:
        solvability = config.solvability and vote < config.cast_votes  # the SoPR does not look at it
        return await vote_on(answers[name].get(query_id), judge, vote, solvability)

    count = max(config.cast_votes, config.cast_runs)
    keys = [(name, query_id, vote) for name in answers for query_id in query_ids for vote in range(count)]
    came = dict(zip(keys, await _all("judging", [partial(cast, *key) for key in keys]), strict=True))
    votes: dict[str, AnswerVotes] = {
        name: {query_id: [came[name, query_id, vote] for vote in range(count)] for query_id in query_ids}
        for name in answers
    }
    return [Candidate.of(name, answers[name], votes[name], config) for name in answers]


async def _compared(config: EvaluateToolbenchConfig, candidates: Sequence[Candidate], judge: Judge) -> list[Candidate]:
    """The candidates with their votes against the reference."""
    reference = next(candidate for candidate in candidates if candidate.name == config.reference)
    others = [candidate for candidate in candidates if candidate is not reference]
    decided: dict[tuple[str, str], PreferenceVote] = {}
    asked: list[tuple[str, str, int]] = []
    casts: list[Callable[[], Awaitable[PreferenceVote]]] = []
    for candidate in others:
        for query_id in candidate.votes:
            mine, theirs = candidate.answers.get(query_id), reference.answers.get(query_id)
            scores = candidate.pass_rate.scores.get(query_id), reference.pass_rate.scores.get(query_id)
            ahead = outright(mine, theirs, *scores)
            if ahead is not None or mine is None or theirs is None:
                side, reason = ahead or ("tie", "")
                decided[candidate.name, query_id] = PreferenceVote(side, reason=reason)
                continue
            for vote in range(config.cast_votes):
                asked.append((candidate.name, query_id, vote))
                casts.append(partial(vote_on_pair, mine, theirs, judge, vote, config.seed))
    came = dict(zip(asked, await _all("comparing", casts), strict=True))

    def votes_of(name: str, query_id: str) -> list[PreferenceVote]:
        if (name, query_id) in decided:
            return [decided[name, query_id]]
        return [came[name, query_id, vote] for vote in range(config.cast_votes)]

    compared = {
        candidate.name: {query_id: votes_of(candidate.name, query_id) for query_id in candidate.votes}
        for candidate in others
    }
    return [dataclasses.replace(candidate, preferences=compared.get(candidate.name)) for candidate in candidates]


async def _all(description: str, casts: Sequence[Callable[[], Awaitable[Cast]]]) -> list[Cast]:
    """What all of them give, in order. Raises the first error that one of them raises, after stopping the others."""
    with progress(description, total=len(casts)) as bar:

        async def counted(cast: Callable[[], Awaitable[Cast]]) -> Cast:
            value = await cast()
            bar.update(bar.task_ids[0], advance=1)
            return value

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(counted(cast)) for cast in casts]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
    event(logger, "cast", what=description, votes=len(tasks))
    return [task.result() for task in tasks]


def _query_ids(
    config: EvaluateToolbenchConfig, answers: Mapping[str, Answers], golden: Mapping[str, Golden]
) -> list[str]:
    """The queries that count, in the order of the first that names them. Raises EvaluationError when there are none."""
    if config.queries is not None:
        query_ids = _listed(config.queries)
    else:
        query_ids = list(dict.fromkeys([*golden, *(query_id for found in answers.values() for query_id in found)]))
    without = [query_id for query_id in query_ids if query_id not in golden] if config.judge == "rule" else []
    if without:
        raise EvaluationError(
            f"{len(without)} queries have no golden answer in {config.golden}, the first {without[0]}; add them, or "
            "name the queries that count in `queries`"
        )
    if not any(query_id in found for found in answers.values() for query_id in query_ids):
        raise EvaluationError("no candidate answered any of the queries that count; check candidates and queries")
    return query_ids


def _listed(path: Path) -> list[str]:
    value = load_json(path)
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, list) and all(isinstance(entry, dict) and "query_id" in entry for entry in value):
        ids = [str(entry["query_id"]) for entry in value]
        if len(set(ids)) == len(ids):
            return ids
        twice = Counter(ids).most_common(1)[0][0]
        raise EvaluationError(f"{path} names query {twice} twice; keep one")
    raise EvaluationError(f"{path} is no list of queries with a query_id and no object by query id")


def _check_same_queries(answers: Mapping[str, Answers]) -> None:
    texts: dict[str, tuple[str, str]] = {}
    for name, found in answers.items():
        for query_id, answer in found.items():
            other, query = texts.setdefault(query_id, (name, answer.query))
            if query.strip() != answer.query.strip():
                raise EvaluationError(
                    f"query {query_id} is another one for {name} than for {other}; they answered different query files"
                )


def _check_whole(results: Results) -> None:
    """Raises EvaluationError when votes are missing and may not be, or when a candidate has none at all."""
    missing = results.missing
    empty = [candidate.name for candidate in results.candidates if not candidate.pass_rate.rate.n]
    if not empty and (not missing or results.config.allow_missing):
        return
    kinds = Counter(": ".join(reason.split(": ")[:2]) for reason in missing.elements())
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
    raise EvaluationError(
        f"{missing.total()} votes are missing ({counted}; such as {missing.most_common(1)[0][0]}), so there is no "
        f"score; the votes that came are in {results.config.output / VOTES}. Start the same command again to ask for "
        "those that failed, raise attempts for invalid ones, or set allow_missing"
    )


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise EvaluationError(f"output {output} is a file; choose a directory")
    own = (output / VOTES).exists() or (output / RESULTS).exists()
    if output.is_dir() and not own and any(output.iterdir()):
        raise EvaluationError(f"output {output} exists and holds no {VOTES} or {RESULTS}; choose another directory")
