"""Events as the lines that ToolBench's backend streams, with node numbers and tokens beside its fields.

ToolBench repeats the whole history as `messages` where a chain and a request begin. Here a history is the lines before,
along the nodes' parents, and `message_count` says how long it is.
"""

from __future__ import annotations

from typing import Any

from octupus.agent.solve.events import Event
from octupus.agent.solve.messages import following, opening
from octupus.agent.solve.tree import Solution
from octupus.agent.tools.toolbox import Toolbox

_BLOCKS = {
    "on_tool_retrieval_start": "recommendation-1",
    "on_tool_retrieval_end": "recommendation-1",
    "on_request_start": "start",
}
_OF_CALLS = frozenset({"on_agent_action", "on_tool_start", "on_tool_end", "on_agent_end"})
_RENAMED = {
    "on_request_start": {"query": "user_input"},
    "on_tool_retrieval_end": {"tools": "recommendations"},
    "on_llm_start": {"messages": "message_count"},
    "on_agent_action": {"name": "action", "arguments": "action_input", "id": "call_id"},
    "on_tool_start": {"name": "tool_name", "arguments": "tool_input", "id": "call_id"},
    "on_tool_end": {"name": "tool_name", "text": "output", "id": "call_id"},
    "on_agent_end": {"finish": "finish_type"},
}
"""Fields of the solver's events, and what ToolBench calls them."""


class Wire:
    """The lines of one question. Blocks are named as ToolBench does: `llm-<node>`, and `tool-<n>` for each call."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._calls = 0

    def line(self, event: Event) -> dict[str, Any]:
        """An event's line; not for `on_request_end`, which `end` writes."""
        name = event.name
        renamed = _RENAMED.get(name, {})
        data = {renamed.get(field, field): value for field, value in event.data.items()}
        if name in _BLOCKS:
            if name == "on_tool_retrieval_end":
                tools = [self._toolbox.entry(each).tool for each in data["recommendations"]]
                data["recommendations"] = [tool.function.model_dump() for tool in tools]
            return {"method_name": name, "block_id": _BLOCKS[name], **data}
        if name == "on_agent_action":
            self._calls += 1
        if name == "on_llm_end":
            data["response"] = {"role": "assistant", "content": data.pop("content"), "tool_calls": data.pop("calls")}
        if name == "on_tool_start" and data["tool_name"] in self._toolbox:
            data["tool_description"] = self._toolbox.entry(data["tool_name"]).tool.function.description
        return {
            # ToolBench's name where the model gave nothing; `on_error` is the end of a stream.
            "method_name": "on_llm_error" if name == "on_error" else name,
            "block_id": f"tool-{self._calls}" if name in _OF_CALLS else f"llm-{event.node}",
            "node": event.node,
            "parent": event.parent,
            "depth": event.depth,
            **data,
        }

    def end(self, solution: Solution) -> dict[str, Any]:
        """The last line of a question that was worked to its end."""
        final = solution.final
        chain = list(opening(solution.system_prompt, solution.query))
        for node in final.path() if final else ():
            chain += following(node)
        return {
            "method_name": "on_request_end",
            "block_id": "end",
            "output": final.final_answer if final else "",
            "chain": chain,
            "node": final.number if final else None,
            "win": solution.win,
            "finish_type": final.finish if final else None,
            "query_count": solution.query_count,
            "tokens_in": solution.tokens_in,
            "tokens_out": solution.tokens_out,
            "stopped": solution.stopped,
        }

    def error(self, message: str, code: str) -> dict[str, Any]:
        """The last line of a question that was not."""
        return {"method_name": "on_error", "block_id": "error", "error": message, "code": code}
