"""The hermes dialect as a Hugging Face chat template; see `template.py`.

It takes Qwen3's `enable_thinking`. One difference to `render` is forced by Jinja: an assistant's text that begins with
line breaks is tokenised together with the line break in front of it, which a model that generates cannot do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from octupus.chat.template import chat_template

_TEMPLATE = """\
{%- macro call_format() -%}
{{- '# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\n' -}}
{{- 'You are provided with function signatures within <tools></tools> XML tags:\\n<tools>' -}}
{%- for tool in tools -%}
{%- set function = tool.function if tool.function is defined else tool -%}
{%- set parameters = function.parameters or {'type': 'object', 'properties': {}} -%}
{%- set fields = '"name": ' ~ (function.name | tojson) ~ ', "description": '
    ~ ((function.description or '') | tojson) ~ ', "parameters": ' ~ (parameters | tojson) -%}
{{- '\\n' ~ plain('{"type": "function", "function": {' ~ fields ~ '}}') -}}
{%- endfor -%}
{{- '\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within ' -}}
{{- '<tool_call></tool_call> XML tags:\\n' -}}
{{- '<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>' -}}
{%- endmacro -%}
{%- set system = namespace(text=DEFAULT_SYSTEM) -%}
{%- if messages and messages[0].role == 'system' -%}
{%- set system.text = messages[0].content or '' -%}
{%- endif -%}
{%- if system.text is not none or tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if system.text is not none -%}
{{- plain(system.text) ~ ('\\n\\n' if tools else '') -}}
{%- endif -%}
{%- if tools -%}
{{- call_format() -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) -%}
{{- '<|im_start|>' ~ message.role ~ '\\n' ~ plain(message.content or '') ~ '<|im_end|>\\n' -}}
{%- elif message.role == 'tool' -%}
{{- '<|im_start|>user' if loop.first or messages[loop.index0 - 1].role != 'tool' else '' -}}
{{- '\\n<tool_response>\\n' ~ plain(message.content or '') ~ '\\n</tool_response>' -}}
{{- '<|im_end|>\\n' if loop.last or messages[loop.index0 + 1].role != 'tool' else '' -}}
{%- elif message.role == 'assistant' -%}
{{- '<|im_start|>assistant\\n' ~ plain(message.content or '') -}}
{%- for call in message.tool_calls or [] -%}
{{- '\\n' if message.content or not loop.first else '' -}}
{{- '<tool_call>\\n{"name": "' ~ plain((call.function.name | tojson)[1:-1]) ~ '", "arguments": ' -}}
{%- set arguments = call.function.arguments -%}
{{- plain(arguments if arguments is string else (arguments | tojson)) ~ '}\\n</tool_call>' -}}
{%- endfor -%}
{{- END_TOKEN ~ '\\n' -}}
{%- elif message.role != 'system' -%}
{{- raise_exception('unknown role ' ~ message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
NO_THINKING
{%- endif -%}
"""

_NO_THINKING = """\
{%- if enable_thinking is defined and enable_thinking is false -%}
{{- '<think>\\n\\n</think>\\n\\n' -}}
{%- endif -%}"""


def hermes_template(end_token: str, control_tokens: Iterable[str], default_system: str | None, thinks: bool) -> str:
    """The template's text. `thinks` says whether the model has control tokens for thinking."""
    system = "none" if default_system is None else json.dumps(default_system)
    body = _TEMPLATE.replace("DEFAULT_SYSTEM", system).replace("NO_THINKING\n", _NO_THINKING + "\n" if thinks else "")
    return chat_template(body, end_token, control_tokens)
