"""Foreign spellings of types."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.schema.type_names import LONGEST_TEXT, ParsedType, parse_type
from octupus.schema.validation import check_schema, violations

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
NULL, ARRAY, OBJECT = {"type": "null"}, {"type": "array"}, {"type": "object"}


def array(items: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **keywords}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("str", STRING),
        (" String ", STRING),
        ("list", ARRAY),
        ("List[]", ARRAY),
        ("List[int]", array(INTEGER)),
        ("typing.List[int]", array(INTEGER)),
        ("List[List[float]]", array(array(NUMBER))),
        ("List[Union[int, float]]", array(NUMBER)),
        ("List[Dict[str, Any]]", array(OBJECT)),
        ("List[np.ndarray]", ARRAY),
        ("Set[str]", array(STRING)),
        ("Dict[str, int]", {"type": "object", "additionalProperties": INTEGER}),
        ("Dict", OBJECT),
        ("Tuple[int, int]", array(INTEGER, minItems=2, maxItems=2)),
        ("Tuple[int, ...]", array(INTEGER)),
        (
            "Tuple[str, float]",
            {"type": "array", "prefixItems": [STRING, NUMBER], "items": False, "minItems": 2, "maxItems": 2},
        ),
        ("Union[str, List[str]]", {"anyOf": [STRING, array(STRING)]}),
        ("int or str", {"anyOf": [INTEGER, STRING]}),
        ("string/number", {"anyOf": [STRING, NUMBER]}),
        ("Literal['a','b']", {"type": "string", "enum": ["a", "b"]}),
        ("Literal['a, b', \"c|d\", 3, True]", {"enum": ["a, b", "c|d", 3, True]}),
        ("Any", {}),
        ("Callable", STRING),
        ("Callable[[int, str], float]", STRING),
        ("(a: number) => string", STRING),
        ("list of strings", array(STRING)),
        ("list of dictionaries", array(OBJECT)),
        ("List of lists of int", array(array(INTEGER))),
        ("list(str)", array(STRING)),
        ("array (comma-separated)", ARRAY),
        ("string, comma-separated", STRING),
        ("varchar(255)", STRING),
        ("long", INTEGER),
        ("short", INTEGER),
        ("byte", INTEGER),
        ("char", STRING),
        ("double", NUMBER),
        ("boolean", {"type": "boolean"}),
        ("ArrayList<String>", array(STRING)),
        ("HashMap<String,Integer>", {"type": "object", "additionalProperties": INTEGER}),
        ("int[][]", array(array(INTEGER))),
        ("Array<number | string>", array({"anyOf": [NUMBER, STRING]})),
        ("(int | string)[]", array({"anyOf": [INTEGER, STRING]})),
        ("NUMBER", NUMBER),
        ("STRING", STRING),
        ("BOOLEAN", {"type": "boolean"}),
        ("DATE (YYYY-MM-DD)", STRING),
    ],
)
def test_spellings_that_say_nothing_of_leaving_out(text: str, schema: dict[str, Any]) -> None:
    assert parse_type(text) == ParsedType(schema, None)


@pytest.mark.parametrize(
    ("text", "schema", "optional"),
    [
        ("int, optional", INTEGER, True),
        ("optional int", INTEGER, True),
        ("string (optional)", STRING, True),
        ("string (user's id), optional", STRING, True),
        ("string (required)", STRING, False),
        ("string (not required)", STRING, True),
        ("float (default: 2.5)", NUMBER, True),
        ("int, default 5", INTEGER, True),
        ("string?", STRING, True),
        ("Optional[str]", {"anyOf": [STRING, NULL]}, True),
        ("str | None", {"anyOf": [STRING, NULL]}, True),
        ("Literal['a', None]", {"enum": ["a", None]}, True),
        ("List[Optional[int]]", array({"anyOf": [INTEGER, NULL]}), None),
        ("Literal['optional', 'required']", {"type": "string", "enum": ["optional", "required"]}, None),
        ("np.ndarray, optional", None, True),
    ],
)
def test_whether_a_parameter_may_be_left_out(text: str, schema: dict[str, Any] | None, optional: bool | None) -> None:
    assert parse_type(text) == ParsedType(schema, optional)


@pytest.mark.parametrize(
    "text", ["np.ndarray", "Union[np.ndarray, int]", "Literal[a, b]", "", "list of", "[", "]]]", "x" * 1000, "int[3]"]
)
def test_what_is_not_understood_admits_anything(text: str) -> None:
    assert parse_type(text) == ParsedType(None, None)


@pytest.mark.parametrize(
    ("text", "admitted", "refused"),
    [
        ("Tuple[str, float]", ["a", 1.5], ["a", 1.5, 2]),
        ("Tuple[int, int]", [1, 2], [1]),
        ("Dict[str, int]", {"a": 1}, {"a": "b"}),
        ("Optional[int]", None, "a"),
    ],
)
def test_schemas_mean_what_the_type_means(text: str, admitted: Any, refused: Any) -> None:
    schema = parse_type(text).schema
    assert schema is not None
    assert not violations(schema, admitted)
    assert violations(schema, refused)


types = "int str List Dict Tuple Union Optional Literal Any x 'a'"
words = st.sampled_from([*types.split(), *"[]()<>,|?/3 ", " or ", " of ", "...", "optional", "required", "default"])


@given(st.lists(words, max_size=20).map("".join) | st.text(max_size=40))
def test_any_text_gives_a_valid_schema(text: str) -> None:
    parsed = parse_type(text)
    assert parsed.schema is None or check_schema(parsed.schema) is None


@pytest.mark.parametrize("unit", ["list of ", "[", "List[", "a|", "(", ")", "list(", "<", " or ", "a (b) ", "int/"])
def test_the_longest_texts_are_read_at_once(unit: str) -> None:
    started = time.monotonic()
    parse_type((unit * LONGEST_TEXT)[:LONGEST_TEXT])
    assert time.monotonic() - started < 1
