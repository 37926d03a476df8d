"""Answers from a directory of {query_id}_{method}.json files, as annotate and ToolBench write them."""

from __future__ import annotations

from pathlib import Path

from octupus.agent.judge.converted import ConvertedAnswer, converted_answer
from octupus.agent.solve import answer_format
from octupus.errors import CorpusError, EvaluationError


def read_answer_directory(directory: Path) -> dict[str, ConvertedAnswer]:
    """The answers by query id. Raises EvaluationError when one cannot be read, or a query has two."""
    answers: dict[str, ConvertedAnswer] = {}
    try:
        for solution in answer_format.read_answers(directory):
            query_id = solution.query_id
            if query_id in answers:
                raise EvaluationError(
                    f"{directory} holds two answers to query {query_id}, by {answers[query_id].method} and "
                    f"{solution.method}; give each method a directory of its own"
                )
            # Files of ToolBench's own hold no state.
            answers[query_id] = converted_answer(
                query_id, answer_format.converted(solution), str(directory), solution.state or None
            )
    except CorpusError as error:
        raise EvaluationError(str(error)) from error
    if not answers:
        raise EvaluationError(f"{directory} holds no answer files, named {{query_id}}_{{method}}.json")
    return answers
