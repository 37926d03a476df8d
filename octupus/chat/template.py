"""The octupus dialect as a Hugging Face chat template, for engines that render with Jinja.

It renders to the same ids as `render`, with one difference that Jinja forces: a template yields one string, in which
a special token spelled in a message would become that token. The template therefore puts a space behind the opening
`<` of such a spelling. `render` has no such need and keeps the text as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

_TEMPLATE = """\
{%- set special_tokens = SPECIAL_TOKENS -%}
{%- macro plain(text) -%}
{%- set safe = namespace(text=text) -%}
{%- for token in special_tokens -%}
{%- set safe.text = safe.text | replace(token, token[0] ~ ' ' ~ token[1:]) -%}
{%- endfor -%}
{{- safe.text -}}
{%- endmacro -%}
{%- macro described() -%}
{{- 'Tools:\\n' -}}
{%- for tool in tools -%}
{%- set function = tool.function if tool.function is defined else tool -%}
{%- set parameters = function.parameters or {'type': 'object', 'properties': {}} -%}
{%- set fields = '"name": ' ~ (function.name | tojson) ~ ', "description": '
    ~ ((function.description or '') | tojson) ~ ', "parameters": ' ~ (parameters | tojson) -%}
{{- plain('{' ~ fields ~ '}') -}}
{{- '' if loop.last else '\\n' -}}
{%- endfor -%}
{%- endmacro -%}
{%- if tools and (not messages or messages[0].role != 'system') -%}
{{- '<|SYSTEM|>' ~ described() -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{{- '<|SYSTEM|>' ~ plain(message.content or '') -}}
{%- if tools and loop.first -%}
{{- ('\\n\\n' if message.content else '') ~ described() -}}
{%- endif -%}
{%- elif message.role == 'user' -%}
{{- '<|USER|>' ~ plain(message.content or '') -}}
{%- elif message.role == 'tool' -%}
{{- '<|FUNCTION_OUTPUT|>' ~ plain(message.content or '') -}}
{%- elif message.role == 'assistant' -%}
{{- '<|ASSISTANT|>' -}}
{%- if message.content -%}
{{- '<|CONTENT|>' ~ plain(message.content) -}}
{%- endif -%}
{%- for call in message.tool_calls or [] -%}
{{- '<|FUNCTION_CALL|>' ~ plain(call.function.name) ~ '<|PARAMETERS|>' -}}
{%- set arguments = call.function.arguments -%}
{{- plain(arguments if arguments is string else (arguments | tojson)) -}}
{%- endfor -%}
{{- END_TOKEN -}}
{%- else -%}
{{- raise_exception('unknown role ' ~ message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|ASSISTANT|>' -}}
{%- endif -%}
"""


def octupus_template(end_token: str, special_tokens: Sequence[str]) -> str:
    """The template's text for a tokenizer with these special tokens, `end_token` among them."""
    # Longest first: a token that holds another one is broken up before its part is looked for.
    ordered = sorted(special_tokens, key=lambda token: (-len(token), token))
    return _TEMPLATE.replace("SPECIAL_TOKENS", json.dumps(ordered)).replace("END_TOKEN", json.dumps(end_token))
