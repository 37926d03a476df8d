"""What became of a tool call, as the numbers that ToolBench's environment gives."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """ToolBench's `observation_code`."""

    OK = 0
    UNKNOWN_TOOL = 1
    """The model called a tool that is not offered."""
    BAD_INPUT = 2
    """The arguments are no JSON object, or break the tool's schema."""
    ANSWERED = 3
    """`Finish` with `give_answer`."""
    GAVE_UP = 4
    """`Finish` with `give_up_and_restart`."""
    TIMEOUT = 5
    NOT_FOUND = 6
    """The server behind the tool does not know the operation."""
    UNAUTHORIZED = 7
    UNSUBSCRIBED = 8
    RATE_LIMIT = 9
    """Too many calls for now."""
    QUOTA = 10
    """Too many calls for good, such as a month's."""
    TOOL_ERROR = 11
    """The tool ran and says what is wrong: its message is for the model."""
    REQUEST_ERROR = 12
    """The tool did not run to its end: it crashed, was stopped at a limit, or its server is gone."""
