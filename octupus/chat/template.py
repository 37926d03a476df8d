"""A dialect as a Hugging Face chat template, for engines that render with Jinja.

A template yields one string, in which a control token spelled in a message would become that token. A template of
octupus therefore puts a space behind the first character of such a spelling. `render` has no such need and keeps the
text as it is; the ids are the same otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

_PLAIN = """\
{%- macro plain(text) -%}
{%- set safe = namespace(text=text) -%}
{%- for token in CONTROL_TOKENS -%}
{%- set safe.text = safe.text | replace(token, token[0] ~ ' ' ~ token[1:]) -%}
{%- endfor -%}
{{- safe.text -}}
{%- endmacro -%}
"""


def chat_template(body: str, end_token: str, control_tokens: Iterable[str]) -> str:
    """The template whose `body` may use the macro `plain(text)`, which breaks up spelled control tokens, and END_TOKEN.

    `control_tokens` are all of the tokenizer, `end_token` among them.
    """
    # Longest first: a token that holds another one is broken up before its part is looked for.
    ordered = sorted(control_tokens, key=lambda token: (-len(token), token))
    plain = _PLAIN.replace("CONTROL_TOKENS", json.dumps(ordered))
    return plain + body.replace("END_TOKEN", json.dumps(end_token))
