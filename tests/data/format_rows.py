"""A good row of every format, and the companion files that some formats read beside their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from octupus.data.sources.registry import FORMATS, Convert
from octupus.data.sources.toolace import FRAME
from octupus.data.sources.toolllama import TOOLS_MARKER

WEATHER = {
    "name": "get_weather",
    "description": "Weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
FLAT = {"city": {"type": "str", "description": "Where."}, "days": {"type": "int, optional", "description": "For."}}
ARGUMENTS = {"city": "Rome", "days": 2}
CALL = {"name": "get_weather", "arguments": ARGUMENTS}
OPENAI_CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}}
GLAIVE = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
QUESTION = "How will the weather in Rome be for 2 days?"
ANSWER = "It will be sunny in Rome for two days."


def _turns(*turns: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"from": role, "value": value} for role, value in turns]


def _messages(**call: Any) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, **call},
        {"role": "tool", "content": "sunny", "tool_call_id": "c"},
        {"role": "assistant", "content": ANSWER},
    ]


_CALLED = f"<tool_call>\n{CALL}\n</tool_call>"
_STEP = f"Thought: I look.\nAction: get_weather\nAction Input: {json.dumps(ARGUMENTS)}"

ROWS: dict[str, dict[str, Any]] = {
    "toolace": {
        "system": f"{FRAME}\n{json.dumps([WEATHER])}. \n",
        "conversations": _turns(
            ("user", QUESTION),
            ("assistant", '[get_weather(city="Rome", days=2)]'),
            ("tool", json.dumps([{"name": "get_weather", "results": "sunny"}])),
            ("assistant", ANSWER),
        ),
    },
    "hermes": {
        "id": "a",
        "conversations": _turns(
            ("system", f"You may call functions. <tools>\n[{ {'type': 'function', 'function': WEATHER} }]\n</tools>"),
            ("human", QUESTION),
            ("gpt", _CALLED),
            ("tool", "<tool_response>\nsunny\n</tool_response>"),
            ("gpt", ANSWER),
        ),
        "tools": json.dumps([{"type": "function", "function": WEATHER}]),
        "category": "Weather",
    },
    "toolllama": {
        "id": "Step 2: weather",
        "conversations": _turns(
            ("system", f"Task.\n{TOOLS_MARKER} {[WEATHER]}"),
            ("user", f"\n{QUESTION}\nBegin!\n"),
            ("assistant", _STEP),
            ("function", "sunny"),
            ("assistant", _STEP),
        ),
    },
    "glaive": {
        "system": f"{GLAIVE}{json.dumps(WEATHER)}\n",
        "chat": f"USER: {QUESTION}\n\n\nASSISTANT: <functioncall> "
        f'{{"name": "get_weather", "arguments": \'{json.dumps(ARGUMENTS)}\'}} <|endoftext|>\n\n\n'
        f"FUNCTION RESPONSE: sunny\n\n\nASSISTANT: {ANSWER} <|endoftext|>\n\n\n",
    },
    "fc_zh_hard": {"conversation": _messages(tool_calls=[OPENAI_CALL]), "tools": json.dumps([WEATHER])},
    "xlam": {
        "id": 1,
        "query": QUESTION,
        "answers": json.dumps([CALL]),
        "tools": json.dumps([{"name": "get_weather", "description": "Weather.", "parameters": FLAT}]),
    },
    "wildchat": {
        "conversation_hash": "1",
        "model": "m",
        "language": "English",
        "toxic": False,
        "redacted": False,
        "conversation": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}],
    },
    "oasst": {
        "message_tree_id": "t",
        "prompt": {
            "role": "prompter",
            "text": QUESTION,
            "lang": "en",
            "review_result": True,
            "deleted": False,
            "replies": [
                {"role": "assistant", "text": text, "lang": "en", "review_result": True, "deleted": False}
                for text in (ANSWER, "No idea.")
            ],
        },
    },
    "apibank": {
        "file": "a-level-1.jsonl",
        "lines": [
            {"role": "User", "text": QUESTION},
            {
                "role": "API",
                "api_name": "get_weather",
                "param_dict": ARGUMENTS,
                "result": {"api_name": "get_weather", "input": ARGUMENTS, "output": "sunny", "exception": None},
            },
            {"role": "AI", "text": ANSWER},
        ],
    },
    "sealtools": {
        "id": "dev-1",
        "query": QUESTION,
        "calling": [{"api": "get_weather", "parameters": ARGUMENTS, "responses": ["API_call_0"]}],
    },
    "toolalpaca": {
        "Name": "Weather",
        "Function_Description": {
            "get_weather": 'Weather.\nParameters: {"city": "Required. string. Where."}\nOutput: Text.'
        },
        "Instructions": [QUESTION, "And in Oslo?"],
        "Golden_Answers": [
            [{"Action": "get_weather", "Action_Input": json.dumps({"city": city})}] for city in ("Rome", "Oslo")
        ],
    },
    "taubench": {"task_id": 1, "reward": 1.0, "info": {}, "traj": _messages(tool_calls=[OPENAI_CALL]), "trial": 0},
    "hammer": {
        "query": QUESTION,
        "tools": [{"name": "get_weather", "description": "Weather.", "parameters": FLAT}],
        "answers": [CALL],
    },
    "bfcl": {"id": "simple_0", "question": [[{"role": "user", "content": QUESTION}]], "function": [WEATHER]},
    "openai_messages": {
        "messages": _messages(tool_calls=[OPENAI_CALL]),
        "tools": [{"type": "function", "function": WEATHER}],
    },
    "openhermes": {
        "source": "airoboros",
        "category": "orca",
        "system_prompt": "Be brief.",
        "conversations": _turns(("human", QUESTION), ("gpt", ANSWER)),
    },
    "sharegpt": {
        "conversations": _turns(
            ("human", QUESTION), ("function_call", json.dumps(CALL)), ("observation", "sunny"), ("gpt", ANSWER)
        ),
        "tools": json.dumps([WEATHER]),
    },
    "alpaca": {"instruction": QUESTION, "input": "", "output": ANSWER},
}


def bound(name: str, directory: Path) -> Convert:
    """The converter of a format, with the companion files it reads written to a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory
    if name == "apibank":
        (directory / ROWS[name]["file"]).write_text("\n".join(map(json.dumps, ROWS[name]["lines"])))
    elif name == "sealtools":
        flat = {"city": {"type": "str"}, "days": {"type": "int"}}
        described = {"api_name": "get_weather", "api_description": "Weather.", "field": "Weather", "parameters": flat}
        (directory / "tool.jsonl").write_text(json.dumps({**described, "required": ["city"], "responses": {}}))
        path = directory / "dev.jsonl"
    else:
        path = directory / "rows.json"
        path.write_text(json.dumps([ROWS[name]]))
    return FORMATS[name].bind(path)
