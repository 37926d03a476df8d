import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.tools import openapi_document
from octupus.agent.tools.authorization import Authorization, checked_address
from octupus.agent.tools.openapi_document import base_address, read_document
from octupus.agent.tools.openapi_operation import Operation, operations
from octupus.agent.tools.openapi_request import BadArgumentError, Parameter, RequestPlan
from octupus.errors import ConfigError
from octupus.schema.validation import validator

COLOURS = ["blue", "black", "brown"]
PARTS = {"R": 100, "G": 200, "B": 150}


def document(paths: dict[str, Any], version: str = "3.1.0", **rest: Any) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "Test", "version": "1"}, "paths": paths, **rest}


def read(value: dict[str, Any]) -> tuple[dict[str, Operation], dict[str, int]]:
    found, left_out = operations(value, "test.json", "http://127.0.0.1")
    return {operation.entry.name: operation for operation in found}, dict(left_out)


def only_one(value: dict[str, Any]) -> Operation:
    found, left_out = read(value)
    assert not left_out
    assert len(found) == 1
    return next(iter(found.values()))


def parameters_of(operation: Operation) -> dict[str, Any]:
    return operation.entry.tool.function.parameters


def parsed(text: str, tmp_path: Path, name: str = "api.yaml") -> dict[str, Any]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return asyncio.run(read_document(str(path), Authorization(None)))


def body_of(schema: Any, required: bool = True, kind: str = "application/json") -> dict[str, Any]:
    return {"required": required, "content": {kind: {"schema": schema}}}


# --- reading


def test_yaml_and_json_are_read_alike(tmp_path: Path) -> None:
    text = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a:\n    get:\n      responses: {200: {}}\n"
    expected = {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"responses": {"200": {}}}}},
    }
    assert parsed(text, tmp_path) == expected
    assert parsed(json.dumps(expected), tmp_path, "api.json") == expected


def test_dates_in_yaml_become_text(tmp_path: Path) -> None:
    assert parsed("openapi: 3.0.0\nx-made: 2024-05-06\n", tmp_path)["x-made"] == "2024-05-06"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("swagger: '2.0'\n", "swagger 2.0"),
        ("openapi: 4.0.0\n", "no OpenAPI 3"),
        ("- a\n", "mapping"),
        ("a: [\n", "neither JSON nor YAML"),
        ('{"openapi": "3.0.0",\n "paths": NaN}', "NaN"),
        ("openapi: 3.0.0\npaths: []\n", "paths"),
        ("openapi: 3.0.0\nx: .nan\n", "not JSON"),
        ("openapi: 3.0.0\nx: !!python/object/apply:os.getcwd []\n", "neither JSON nor YAML"),
        ("", "mapping"),
        ("{" + '"a":{' * 300 + "}" * 301, "deeper"),
    ],
)
def test_what_is_no_document_is_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        parsed(text, tmp_path)


def test_aliases_that_multiply_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi_document, "DOCUMENT_VALUES", 20_000)  # as it is, it takes seconds to get there
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="more than"):
        parsed("openapi: 3.0.0\n" + "\n".join(lines), tmp_path)


def test_an_alias_of_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="deeper"):
        parsed("openapi: 3.0.0\nx: &x\n  y: *x\n", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.json"):
        asyncio.run(read_document(str(tmp_path / "absent.json"), Authorization(None)))


# --- where operations are


@pytest.mark.parametrize(
    ("place", "servers", "base_url", "expected"),
    [
        ("api.json", [{"url": "https://a.example/v1/"}], None, "https://a.example/v1"),
        ("api.json", [{"url": "https://a.example"}], "http://b.example/x/", "http://b.example/x"),
        ("http://a.example/docs/openapi.json", None, None, "http://a.example"),
        ("http://a.example/docs/openapi.json", [{"url": "v2"}], None, "http://a.example/docs/v2"),
        (
            "api.json",
            [{"url": "https://{host}.example:{port}", "variables": {"host": {"default": "c"}, "port": {"default": 8}}}],
            None,
            "https://c.example:8",
        ),
    ],
)
def test_base_address(place: str, servers: Any, base_url: str | None, expected: str) -> None:
    assert base_address(document({}, servers=servers), place, base_url) == expected


@pytest.mark.parametrize("servers", [None, [], [{"url": "/v1"}], [{"url": 3}], "x"])
def test_a_file_that_names_no_host_needs_base_url(servers: Any) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        base_address(document({}, servers=servers), "api.json", None)


@pytest.mark.parametrize("url", ["https://evil.example", "http://a.example:81", "//evil.example/x"])
def test_a_fetched_document_cannot_send_the_header_to_another_host(url: str) -> None:
    with pytest.raises(ConfigError, match="another host"):
        base_address(document({}, servers=[{"url": url}]), "http://a.example/openapi.json", None)


@pytest.mark.parametrize("address", ["ftp://a", "http://", "nothing", "http://a:b", "http://user:secret@a.example/"])
def test_bad_addresses_are_refused_without_repeating_them(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        checked_address(address, "base_url")
    assert "secret" not in str(caught.value)


# --- operations as tools


def test_parameters_and_body_become_one_schema() -> None:
    operation = only_one(
        document(
            {
                "/pets/{pet}": {
                    "parameters": [{"name": "pet", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "put": {
                        "operationId": "replace_pet",
                        "summary": "Replace a pet",
                        "description": "All of it.",
                        "tags": ["Pets"],
                        "parameters": [
                            {"name": "dry", "in": "query", "description": "Only look.", "schema": {"type": "boolean"}},
                            {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                            {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                        ],
                        "requestBody": body_of({"$ref": "#/components/schemas/Pet"}),
                    },
                }
            },
            components={
                "schemas": {
                    "Pet": {
                        "type": "object",
                        "required": ["id", "name"],
                        "properties": {
                            "id": {"type": "integer", "readOnly": True},
                            "name": {"type": "string"},
                            "parent": {"$ref": "#/components/schemas/Pet"},
                        },
                    }
                }
            },
        )
    )
    function = operation.entry.tool.function
    assert (function.name, function.description) == ("replace_pet", "Replace a pet. All of it.")
    assert (operation.entry.category, operation.entry.collection, operation.entry.api) == (
        "Pets",
        "Test",
        "replace_pet",
    )
    assert function.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["pet", "name"],
        "properties": {
            "pet": {"type": "string"},
            "dry": {"type": "boolean", "description": "Only look."},
            "X-Trace": {"type": "string"},
            "name": {"type": "string"},
            "parent": {"$ref": "#/$defs/Pet"},
        },
        "$defs": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "parent": {"$ref": "#/$defs/Pet"}},
            }
        },
    }
    nested = {"pet": "a b", "name": "x", "parent": {"name": "y", "parent": {"name": "z"}}}
    assert validator(function.parameters).is_valid(nested)
    assert not validator(function.parameters).is_valid({**nested, "parent": {"parent": {"name": "z"}}})
    request = operation.plan.request({**nested, "dry": True, "X-Trace": "t"})
    assert (request.method, request.target) == ("PUT", "/pets/a%20b?dry=true")
    assert request.headers == {"X-Trace": "t", "Content-Type": "application/json"}
    assert json.loads(request.body or b"") == {"name": "x", "parent": nested["parent"]}


def test_names_that_clash_put_the_body_aside_and_tell_places_apart() -> None:
    operation = only_one(
        document(
            {
                "/a/{id}": {
                    "post": {
                        "parameters": [
                            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
                            {"name": "id", "in": "query", "schema": {"type": "string"}},
                            {"name": "body", "in": "query", "schema": {"type": "string"}},
                        ],
                        "requestBody": body_of({"type": "object", "properties": {"id": {"type": "number"}}}),
                    }
                }
            }
        )
    )
    assert list(parameters_of(operation)["properties"]) == ["id", "id_query", "body", "request_body"]
    request = operation.plan.request({"id": 1, "id_query": "q", "body": "b", "request_body": {"id": 2.5}})
    assert (request.target, request.body) == ("/a/1?id=q&body=b", b'{"id": 2.5}')


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}},
        {"allOf": [{"type": "object", "properties": {"a": {}}}]},
        {"type": "object", "properties": {"a": {}}, "minProperties": 1},
        {"type": "object", "properties": {"a": {}}, "required": ["b"]},
        {"type": ["object", "null"], "properties": {"a": {}}},
        {"type": "object"},
        True,
    ],
)
def test_bodies_that_are_more_than_properties_stay_whole(schema: Any) -> None:
    operation = only_one(document({"/a": {"post": {"requestBody": body_of(schema)}}}))
    assert list(parameters_of(operation)["properties"]) == ["body"]
    assert parameters_of(operation)["required"] == ["body"]
    assert operation.plan.request({"body": ["x"]}).body == b'["x"]'


def test_a_body_that_may_be_left_out_is() -> None:
    demanding = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    operation = only_one(document({"/a": {"post": {"requestBody": body_of(demanding, required=False)}}}))
    assert "required" not in parameters_of(operation)
    assert operation.plan.request({}).body is None
    lenient = {"type": "object", "properties": {"a": {}}}
    operation = only_one(document({"/a": {"post": {"requestBody": body_of(lenient, required=False)}}}))
    assert operation.plan.request({}).body is None
    assert operation.plan.request({"a": None}).body == b'{"a": null}'
    operation = only_one(document({"/a": {"post": {"requestBody": body_of(lenient)}}}))
    assert operation.plan.request({}).body == b"{}"


def test_openapi_3_0_says_null_and_limits_its_own_way() -> None:
    properties = {
        "a": {"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True},
        "b": {"type": "string", "nullable": True, "enum": ["x"]},
        "c": {"type": "integer", "maximum": 3, "exclusiveMaximum": False},
    }
    operation = only_one(
        document({"/a": {"post": {"requestBody": body_of({"type": "object", "properties": properties})}}}, "3.0.1")
    )
    compiled = validator(parameters_of(operation))
    assert all(compiled.is_valid({"a": a}) for a in (None, 2))
    assert not compiled.is_valid({"a": 1})
    assert all(compiled.is_valid({"b": b}) for b in (None, "x"))
    assert compiled.is_valid({"c": 3})
    assert not compiled.is_valid({"c": 4})


def test_what_looks_like_a_keyword_in_data_stays() -> None:
    properties = {
        "nullable": {"type": "boolean"},
        "$ref": {"type": "string"},
        "x-mark": {"type": "string"},
        "kind": {"enum": [{"$ref": "#/not/a/reference", "x-y": 1}], "default": {"xml": 1}},
    }
    schema = {"type": "object", "properties": properties}
    operation = only_one(document({"/a": {"post": {"requestBody": body_of(schema)}}}))
    assert parameters_of(operation)["properties"] == properties


def test_references_to_the_same_last_word_stay_apart() -> None:
    operation = only_one(
        document(
            {
                "/a": {
                    "post": {
                        "requestBody": body_of(
                            {
                                "type": "object",
                                "properties": {
                                    "a": {"$ref": "#/components/schemas/One/properties/part"},
                                    "b": {"$ref": "#/components/schemas/T~1wo%20/properties/part"},
                                },
                            }
                        )
                    }
                }
            },
            components={
                "schemas": {
                    "One": {"properties": {"part": {"type": "integer"}}},
                    "T/wo ": {"properties": {"part": {"type": "string"}}},
                }
            },
        )
    )
    assert parameters_of(operation)["$defs"] == {"part": {"type": "integer"}, "part_2": {"type": "string"}}
    assert validator(parameters_of(operation)).is_valid({"a": 1, "b": "x"})


def test_what_cannot_be_a_tool_is_counted_by_reason() -> None:
    def taking(schema: Any) -> dict[str, Any]:
        return {"post": {"requestBody": body_of(schema)}}

    found, left_out = read(
        document(
            {
                "/good": {"get": {}, "head": {}, "options": {}},
                "/form": {"post": {"requestBody": body_of({}, kind="multipart/form-data")}},
                "/cookie": {
                    "get": {"parameters": [{"name": "c", "in": "cookie", "required": True, "schema": {}}]},
                },
                "/xml": {
                    "get": {"parameters": [{"name": "c", "in": "query", "content": {"application/xml": {}}}]},
                },
                "/outside": taking({"$ref": "other.yaml#/X"}),
                "/outside2": taking({"properties": {"a": {"$ref": "http://169.254.169.254/latest"}}}),
                "/absent": taking({"$ref": "#/components/schemas/Absent"}),
                "/loop": taking({"$ref": "#/components/schemas/Loop"}),
                "/anchor": taking({"$dynamicRef": "#x"}),
                "/invalid": taking({"type": "strin"}),
                "/broken": {"get": 3, "post": {"parameters": [{"name": 3}]}},
                "/{lost}": {"get": {}},
                "/elsewhere": {"get": {"servers": [{"url": "https://b.example"}]}},
                "/nowhere": {"get": {"servers": [{"url": "http://[:1"}]}},
                "/here": {"get": {"servers": [{"url": "http://127.0.0.1/x"}]}},
                "x-note": 3,
            },
            components={"schemas": {"Loop": {"$ref": "#/components/schemas/Loop"}}},
        )
    )
    assert {name: operation.base for name, operation in found.items()} == {
        "get_good": "http://127.0.0.1",
        "get_here": "http://127.0.0.1/x",
    }
    assert left_out == {
        "a body of multipart/form-data": 1,
        "a cookie parameter": 1,
        "a parameter that is no JSON": 1,
        "a reference to another document": 2,
        "a broken reference": 1,
        "a reference to itself": 1,
        "a reference by anchor": 1,
        "an invalid schema": 1,
        "a broken document": 2,
        "a path parameter that is not described": 1,
        "a server of its own": 2,
    }


def test_keys_of_security_schemes_are_no_arguments() -> None:
    operation = only_one(
        document(
            {
                "/a": {
                    "get": {
                        "security": [{"key": []}],
                        "parameters": [
                            {"name": "X-Key", "in": "header", "required": True, "schema": {"type": "string"}},
                            {"name": "q", "in": "query", "schema": {"type": "string"}},
                        ],
                    }
                }
            },
            components={"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}},
        )
    )
    assert list(parameters_of(operation)["properties"]) == ["q"]


def test_operation_ids_become_valid_names_that_differ() -> None:
    found, _ = read(
        document(
            {
                "/a": {"get": {"operationId": "find all/pets"}, "post": {"operationId": "find_all_pets"}},
                "/b": {"get": {"operationId": "find_all_pets"}, "delete": {}},
            }
        )
    )
    assert len(found) == 4
    assert {"find_all_pets", "delete_b"} <= set(found)
    assert {(operation.plan.method, operation.plan.path) for operation in found.values()} == {
        ("GET", "/a"),
        ("POST", "/a"),
        ("GET", "/b"),
        ("DELETE", "/b"),
    }


def test_long_descriptions_end_at_a_word() -> None:
    operation = only_one(document({"/a": {"get": {"description": "word " * 1000}}}))
    description = operation.entry.tool.function.description
    assert len(description) <= 1024
    assert description.endswith("word…")


RICH = document(
    {
        "/a/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "servers": [{"url": "http://127.0.0.1/{v}", "variables": {"v": {"default": "1"}}}],
            "post": {
                "operationId": "make",
                "tags": ["T"],
                "summary": "Make",
                "parameters": [
                    {
                        "name": "q",
                        "in": "query",
                        "style": "pipeDelimited",
                        "explode": False,
                        "schema": {"type": "array"},
                    },
                    {"name": "X-H", "in": "header", "content": {"application/json": {"schema": {"type": "object"}}}},
                ],
                "requestBody": {"$ref": "#/components/requestBodies/Node"},
            },
        }
    },
    components={
        "parameters": {
            "Id": {"name": "id", "in": "path", "required": True, "description": "It.", "schema": {"type": "integer"}}
        },
        "requestBodies": {"Node": body_of({"$ref": "#/components/schemas/Node"})},
        "schemas": {
            "Node": {
                "type": "object",
                "required": ["value"],
                "properties": {
                    "value": {"type": "number", "nullable": True, "minimum": 0, "exclusiveMinimum": True},
                    "next": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]},
                    "at": {"type": "string", "readOnly": True},
                },
            }
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "key"}},
    },
)


def places_in(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, item in items for place in places_in(item, (*above, key)))]


JUNK: list[Any] = [None, True, 0, -1.5, "", "x", "é\n", "#/x", "http://[:", "{", [], [1], [[]], {}, {"a": 1}]
JUNK += ["#/components/schemas/Node", {"$ref": "#/components"}, {"$ref": 3}, {"type": []}, {"": {"": None}}]


@given(
    st.lists(st.tuples(st.sampled_from(places_in(RICH)), st.sampled_from(JUNK)), min_size=1, max_size=3),
    st.sampled_from("01"),
)
def test_a_broken_document_is_counted_and_never_raises(changes: list[tuple[tuple[Any, ...], Any]], minor: str) -> None:
    broken = json.loads(json.dumps({**RICH, "openapi": f"3.{minor}.0"}))
    for place, junk in changes:
        target: Any = broken
        try:
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = junk
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change took the place away
    if not isinstance(broken["paths"], dict):
        return  # refused when it is read
    found, left_out = read(broken)
    assert len(found) + sum(left_out.values()) <= 2
    for operation in found.values():
        compiled = validator(parameters_of(operation))
        every = {"id": 3, "q": ["x"], "X-H": {}, "value": 2, "next": None, "body": 3}
        arguments = {name: every[name] for name in parameters_of(operation)["properties"] if name in every}
        if compiled.is_valid(arguments):
            request = operation.plan.request(arguments)
            httpx.Request(request.method, f"{operation.base}{request.target}", headers=request.headers)


# --- requests


@pytest.mark.parametrize(
    ("place", "style", "explode", "text", "array", "mapping"),
    [
        ("path", "matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("path", "matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("path", "label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("path", "label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("path", "simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("path", "simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("query", "form", False, "?color=blue", "?color=blue,black,brown", "?color=R,100,G,200,B,150"),
        ("query", "form", True, "?color=blue", "?color=blue&color=black&color=brown", "?R=100&G=200&B=150"),
        ("query", "spaceDelimited", False, None, "?color=blue%20black%20brown", "?color=R%20100%20G%20200%20B%20150"),
        ("query", "pipeDelimited", False, None, "?color=blue%7Cblack%7Cbrown", "?color=R%7C100%7CG%7C200%7CB%7C150"),
        ("query", "deepObject", True, None, None, "?color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_styles_are_those_of_the_specification(
    place: Any, style: str, explode: bool, text: str | None, array: str | None, mapping: str
) -> None:
    path = "/{color}" if place == "path" else ""
    plan = RequestPlan("GET", path, (Parameter("argument", "color", place, style, explode),))
    for value, expected in (("blue", text), (COLOURS, array), (PARTS, mapping)):
        if expected is not None:
            assert plan.request({"argument": value}).target == ("/" if place == "path" else "") + expected


def test_headers_are_simple_and_take_no_other_lines() -> None:
    plan = RequestPlan("GET", "/", (Parameter("h", "X-H", "header", "simple", False),))
    assert plan.request({"h": COLOURS}).headers == {"X-H": "blue,black,brown"}
    assert plan.request({"h": PARTS}).headers == {"X-H": "R,100,G,200,B,150"}
    assert plan.request({}).headers == {}
    for value in ("a\r\nX-Admin: 1", "é", " a", "a\x00"):
        with pytest.raises(BadArgumentError, match="header"):
            plan.request({"h": value})


@pytest.mark.parametrize("value", ["..", ".", "../admin", "a/../b", "a\\..\\b", "", [], ["..", ""], None])
def test_paths_cannot_be_climbed(value: Any) -> None:
    plan = RequestPlan("GET", "/a/{p}/b", (Parameter("p", "p", "path", "simple", False),))
    if value == ["..", ""]:
        assert plan.request({"p": value}).target == "/a/..,/b"
        return
    with pytest.raises(BadArgumentError):
        plan.request({"p": value})


def test_two_parameters_cannot_make_a_step_together() -> None:
    plan = RequestPlan(
        "GET",
        "/{a}{b}",
        (Parameter("a", "a", "path", "label", False), Parameter("b", "b", "path", "label", False)),
    )
    assert plan.request({"a": "x", "b": "y"}).target == "/.x.y"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_leaves_its_place(segment: str, query: str) -> None:
    plan = RequestPlan(
        "GET",
        "/a/{p}/b",
        (Parameter("p", "p", "path", "simple", False), Parameter("q", "q", "query", "form", True)),
    )
    try:
        target = plan.request({"p": segment, "q": query}).target
    except BadArgumentError:
        assert {".", ".."} & set(segment.replace("\\", "/").split("/"))
        return
    path, _, rest = target.partition("?")
    assert path.count("/") == 3
    assert path.isascii()
    assert rest.count("&") == 0
    assert "#" not in target
