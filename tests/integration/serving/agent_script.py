"""An agent as its author would write it: three tools, and the loop of call, result, answer, with nothing but `openai`.

    python agent_script.py http://127.0.0.1:8000/v1 octupus

The tools are those of LlamaFactory's tutorial on tool calls: sorting waste, information on songs and on cartoons.
"""

import json
import sys
from typing import Any

from openai import OpenAI

MAX_TURNS = 3


def sort_waste(item: str, city: str = "Shanghai") -> dict[str, Any]:
    """Which bin an item belongs into."""
    return {"item": item, "city": city, "bin": "recyclable"}


def get_song_info(title: str, fields: list[str] | None = None) -> dict[str, Any]:
    """Who sings a song, and when it came out."""
    known = {"singer": "Jay Chou", "year": 2003}
    return {"title": title} | {field: known[field] for field in fields or known}


def get_cartoon_info(name: str, episode: int = 1) -> dict[str, Any]:
    """What happens in an episode of a cartoon."""
    return {"name": name, "episode": episode, "plot": "A cat chases a mouse."}


FUNCTIONS = {function.__name__: function for function in (sort_waste, get_song_info, get_cartoon_info)}

NAME = {"type": "string", "maxLength": 16}
PROPERTIES: dict[str, dict[str, Any]] = {
    "sort_waste": {"item": NAME, "city": {"enum": ["Shanghai", "Beijing"]}},
    "get_song_info": {"title": NAME, "fields": {"type": "array", "items": {"enum": ["singer", "year"]}, "maxItems": 2}},
    "get_cartoon_info": {"name": NAME, "episode": {"type": "integer", "minimum": 1, "maximum": 99}},
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": FUNCTIONS[name].__doc__,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(properties)[:1],
                "additionalProperties": False,
            },
        },
    }
    for name, properties in PROPERTIES.items()
]


def run(base_url: str, model: str, question: str = "Who sings it?", first_choice: str = "auto", **options: Any) -> Any:
    """The whole conversation: asks, runs what is called, tells the results, until an answer comes without a call."""
    client = OpenAI(base_url=base_url, api_key="none")
    messages: list[Any] = [{"role": "user", "content": question}]
    for turn in range(MAX_TURNS):
        completion = client.chat.completions.create(
            model=model,
            messages=messages,
            tools=TOOLS,
            tool_choice=first_choice if turn == 0 else "auto",  # type: ignore[arg-type]
            **options,
        )
        message = completion.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            assert call.type == "function"
            result = FUNCTIONS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    return messages


if __name__ == "__main__":
    for message in run(*sys.argv[1:]):
        print(message)
