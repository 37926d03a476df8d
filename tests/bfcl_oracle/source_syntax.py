"""Java and JavaScript arguments, written as the source text that BFCL's readers turn back into the value.

BFCL shows every Java and JavaScript parameter to the model as a string "in string representation" and reads the string
back with `eval_checker/ast_eval/type_convertor/{java,js}_type_converter.py`. Those readers are regular expressions with
their own ideas of a literal; where one differs from the language, a comment here says so.
"""

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def java_source(value: Any, schema: Schema) -> str:
    """The Java expression for `value`, for a parameter described by `schema` (BFCL's own, with Java type names).

    A string where another type is declared is the name of a variable, and is written bare.
    """
    declared = schema["type"]
    if isinstance(value, str):
        return value  # a String too: the reader does not strip quotes
    if declared == "HashMap":
        puts = " ".join(f'put("{key}", {_java_literal(item)});' for key, item in value.items())
        return f"new HashMap<String, Object>() {{{{ {puts} }}}}"
    if declared in ("Array", "ArrayList"):
        return _java_list(value, declared, schema["items"]["type"])
    return _java_number(value, declared)


def _java_list(values: list[Any], declared: str, element: str) -> str:
    if declared == "Array":
        # The reader of arrays keeps the quotes of a String element as part of it: elements go bare.
        return f"new {element}[]{{{', '.join(_java_number(value, element) for value in values)}}}"
    if not values:
        return "new ArrayList<>()"
    if element in ("String", "char"):
        return f"new ArrayList<>(Arrays.asList({', '.join(_java_literal(value) for value in values)}))"
    return f"new ArrayList<>(Arrays.asList({', '.join(_java_number(value, element) for value in values)}))"


def _java_literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else _java_number(value, "any")


def _java_number(value: Any, declared: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    suffix = {"long": "L", "float": "f"}.get(declared, "") if isinstance(value, int | float) else ""
    return f"{value}{suffix}"


def javascript_source(value: Any, schema: Schema) -> str:
    """The JavaScript expression for `value`. A string is written bare: the reader takes it with or without quotes."""
    if isinstance(value, str):
        return value
    if schema["type"] == "Bigint":
        return f"{value}n"
    return json.dumps(value, ensure_ascii=False)
