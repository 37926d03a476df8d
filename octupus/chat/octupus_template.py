"""The octupus dialect as a Hugging Face chat template; see `template.py`."""

OCTUPUS_TEMPLATE = """\
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
