"""Formats as patterns against the checkers of `jsonschema`."""

from __future__ import annotations

import re

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.schema.admission import KNOWN_FORMATS
from octupus.schema.normal import normalise
from octupus.schema.normal.formats import FORMATS
from octupus.schema.patterns import parse_pattern
from octupus.schema.validation import validator

EXAMPLES = {
    "date": ["2026-11-21", "0999-01-31"],
    "time": ["23:59:59Z", "00:00:00.125+05:30"],
    "date-time": ["2026-11-21T08:30:00Z", "1999-12-31T23:59:59.999-11:00"],
    "duration": ["P1Y2M3D", "PT36H", "P2W", "P1DT12H30M5S"],
    "email": ["ada.lovelace@example.org", "a+b@host"],
    "hostname": ["localhost", "a-b.example.com"],
    "ipv4": ["127.0.0.1", "255.255.255.0"],
    "ipv6": ["::", "::1", "2001:db8::8a2e:370:7334", "1:2:3:4:5:6:7:8", "fe80::"],
    "uuid": ["6f1c2e1a-52b0-4d8f-9a57-0c8f3f6b7f10"],
    "uri": ["https://example.org/a/b?c=d#e", "s3://bucket/key%20name", "http://localhost:8080"],
}


def test_every_known_format_has_a_readable_pattern() -> None:
    assert set(FORMATS) == KNOWN_FORMATS == set(EXAMPLES)
    assert all(parse_pattern(pattern).distance for pattern in FORMATS.values())


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_a_format_admits_is_one(name: str, data: st.DataObject) -> None:
    text = data.draw(
        st.from_regex(FORMATS[name].replace("$", r"\Z") if name != "uri" else uri_pattern(), alphabet=None)
    )
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    assert checker.conforms(text, name)
    assert validator_with_formats(name).is_valid(text)


def uri_pattern() -> str:
    """`$` stands in a class of this one, so that only the last is the anchor."""
    return FORMATS["uri"][:-1] + r"\Z"


def validator_with_formats(name: str) -> jsonschema_rs.Draft202012Validator:
    """A second opinion: `jsonschema` lacks checkers for some formats unless other packages are installed."""
    return jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in EXAMPLES.items() for text in texts])
def test_usual_values_of_a_format_are_admitted(name: str, text: str) -> None:
    assert re.search(FORMATS[name], text)
    assert validator(normalise({"type": "string", "format": name}).schema).is_valid(text)


def test_other_formats_are_annotations_and_a_pattern_goes_before_a_format() -> None:
    assert normalise({"type": "integer", "format": "int32"}).schema == {"type": "integer"}
    assert normalise({"type": "string", "format": "phone"}).schema == {"type": "string"}
    both = normalise({"type": "string", "format": "date", "pattern": "^2"})
    assert both.schema == {"type": "string", "pattern": "^2"}
    assert [(note.keyword, note.json_pointer) for note in both.unexpressed] == [("format", "/format")]
