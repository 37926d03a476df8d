"""Why and where a row is dropped: two closed sets, which reports and manifests count by."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The steps that may drop a row, in order; `augment` is of rows that octupus makes itself."""

    READ = "read"
    CONVERT = "convert"
    STRUCTURE = "structure"
    SCHEMA = "schema"
    QUALITY = "quality"
    CONTAMINATION = "contamination"
    TOKENISE = "tokenise"
    DEDUP = "dedup"
    CAPS = "caps"
    AUGMENT = "augment"


class Reason(StrEnum):
    """Why a row is dropped, or a turn masked or cut."""

    BROKEN_JSON = "broken_json"  # a line of the corpus is no strict JSON
    WRONG_SHAPE = "wrong_shape"  # a key is missing or holds another type than the format says
    PARSE_TOOLS = "parse_tools"  # the tools are no list of definitions
    CALL_PARSE_ERROR = "call_parse_error"  # a call is not written as the format writes calls
    GAVE_UP = "gave_up"  # the recorded solver gave up, so there is no answer to learn
    FAILED_TRAJECTORY = "failed_trajectory"  # the corpus itself marks the recorded trajectory as failed
    UNKNOWN_TOOL = "unknown_tool"  # a call names a tool that the conversation does not offer
    BAD_SCHEMA = "bad_schema"  # a tool's parameters are no valid JSON Schema of an object
    SCHEMA_ERROR = "schema_error"  # a call's arguments break the tool's schema
    MISSING_REQUIRED = "missing_required"  # a call lacks a required argument
    UNDECLARED_ARGUMENT = "undeclared_argument"  # a call passes an argument that the schema does not know
    ROLES_ERROR = "roles_error"  # the messages' roles are out of order, or the last is not the assistant's
    TOOL_RESULT_COUNT = "tool_result_count"  # results do not pair with the calls before them
    TOOL_RESULT_NAME = "tool_result_name"  # a result says it is of another tool than was called
    EMPTY_USER = "empty_user"  # a user or system message says nothing
    EMPTY_ASSISTANT = "empty_assistant"  # an assistant message neither says nor calls anything
    NO_ASSISTANT = "no_assistant"  # nothing in the conversation would be trained
    NAME_INVALID = "name_invalid"  # a tool has no name that could be written with letters, digits, _ and -
    NAME_COLLISION = "name_collision"  # two tools' names would be the same once made valid
    NAME_DUPLICATE = "name_duplicate"  # two different tools have one name
    LONE_SURROGATE = "lone_surrogate"  # a text holds half a character, which no UTF-8 can write
    UNGROUNDED = "ungrounded"  # an argument's value is found nowhere in the dialogue
    LANGUAGE = "language"  # in none of the languages that are asked for
    TOXIC = "toxic"  # the corpus marks the conversation as toxic
    PII = "pii"  # holds what looks like personal data
    CONTAMINATED = "contaminated"  # shares a text or a tool with an evaluation set
    TOO_LONG = "too_long"  # more tokens than one pack may hold
    DUPLICATE = "duplicate"  # an earlier row has the same messages and tools
    NEAR_DUPLICATE = "near_duplicate"  # an earlier row has nearly the same text
    CAPPED = "capped"  # its tools are called in enough other rows already
    NOT_APPLICABLE = "not_applicable"  # an augmentation that was chosen for the row does not fit it


Problem = tuple[Reason, str]
"""A reason and its detail in words."""
