"""Why and where a row is dropped: two closed sets, which reports and manifests count by."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The steps that may drop a row, in order."""

    READ = "read"
    CONVERT = "convert"
    STRUCTURE = "structure"
    SCHEMA = "schema"
    DEDUP = "dedup"
    TOKENISE = "tokenise"


class Reason(StrEnum):
    """Why a row is dropped."""

    BROKEN_JSON = "broken_json"  # a line of the corpus is no strict JSON
    WRONG_SHAPE = "wrong_shape"  # a key is missing or holds another type than the format says
    PARSE_TOOLS = "parse_tools"  # the tools are no list of definitions
    CALL_PARSE_ERROR = "call_parse_error"  # a call is no JSON object of name and arguments
    UNKNOWN_TOOL = "unknown_tool"  # a call names a tool that the conversation does not offer
    BAD_SCHEMA = "bad_schema"  # a tool's parameters are no valid JSON Schema of an object
    SCHEMA_ERROR = "schema_error"  # a call's arguments break the tool's schema
    MISSING_REQUIRED = "missing_required"  # a call lacks a required argument
    UNDECLARED_ARGUMENT = "undeclared_argument"  # a call passes an argument that the schema does not know
    ROLES_ERROR = "roles_error"  # the messages' roles are out of order, or the last is not the assistant's
    TOOL_RESULT_COUNT = "tool_result_count"  # results do not pair with the calls before them
    EMPTY_USER = "empty_user"  # a user or system message says nothing
    EMPTY_ASSISTANT = "empty_assistant"  # an assistant message neither says nor calls anything
    NO_ASSISTANT = "no_assistant"  # nothing in the conversation would be trained
    NAME_INVALID = "name_invalid"  # a tool's name is not of letters, digits, _ and -, at most 64
    NAME_DUPLICATE = "name_duplicate"  # two tools have one name
    LONE_SURROGATE = "lone_surrogate"  # a text holds half a character, which no UTF-8 can write
    DUPLICATE = "duplicate"  # an earlier row has the same messages and tools
    TOO_LONG = "too_long"  # more tokens than one pack may hold


Problem = tuple[Reason, str]
"""A reason and its detail in words."""
