"""Why something that was generated is not kept: closed sets, which summaries count by."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a blueprint does not become a conversation."""

    NOT_POSSIBLE = "not_possible"  # the states hold nothing that the scenario could be about
    BROKEN_LINK = "broken_link"  # a result does not hold what a later call or the reply needs
    CALL_FAILED = "call_failed"  # a call that was to succeed did not
    CALL_SUCCEEDED = "call_succeeded"  # a call that was to be refused was not
    REFUSAL_CHANGED = "refusal_changed"  # a call was refused and changed the state all the same
    UNEXPECTED_STATE = "unexpected_state"  # the final state differs from the first one in another way than was meant
    NOT_REPEATED = "not_repeated"  # executed again from the first state, results or final state are others
    UNGROUNDED = "ungrounded"  # a call holds a value that nobody said
    LANGUAGE = "language"  # it does not read as written in its language
    CHECKS = "checks"  # the data line would repair, flag or drop it
    NO_TOOLS = "no_tools"  # every tool that could be offered could do what no tool is to do
    DUPLICATE = "duplicate"  # the same conversation, or the same calls with the same results, is there already


class TraceReason(StrEnum):
    """Why a solver's trace does not become a conversation."""

    UNREADABLE = "unreadable"  # the file is no answer of a solver
    NO_ANSWER = "no_answer"  # the solver gave up, or ran out of its budget
    EMPTY_ANSWER = "empty_answer"  # it finished without a word
    NO_CALL = "no_call"  # it answered without calling a tool
    UNKNOWN_QUERY = "unknown_query"  # nothing says which tools and states the query was solved with
    UNREADABLE_ARGUMENTS = (
        "unreadable_arguments"  # a call's arguments are no JSON object, so that no corpus can hold it
    )
    ENDS_IN_ERROR = "ends_in_error"  # the last call failed, and nothing made up for it
    NOT_REPEATED = "not_repeated"  # executed again, a status or a result is another
    OTHER_STATE = "other_state"  # executed again, the final state is another
    WRONG = "wrong"  # the state or the answer is not the golden one
    CHECKS = "checks"  # the data line would drop it
    DUPLICATE = "duplicate"  # another trace gave the same conversation


class Drop(NamedTuple):
    """A reason and its detail in words."""

    reason: Reason
    detail: str


class TraceDrop(NamedTuple):
    """A reason and its detail in words."""

    reason: TraceReason
    detail: str
