"""ToolAlpaca: one API a row, with its tools in words and many instructions; one conversation for each instruction.

    {"Name", "NLDocumentation", "Function_Description": {tool: "what it does\\nParameters: {...}\\nOutput: ...",
     "components": ...}, "Instructions": [...], "Golden_Answers": [[{"Action", "Action_Input"}, ...], ...]}

has answers without results (`eval_*.json`); `train_data.json` has, in place of the last two, recorded

    "Instances": [{"input", "output", "intermediate_steps": [[[action, action_input, log], observation], ...]}]

`getDetails` is none of the API's tools but asks the user: it becomes the assistant's question, its observation the
user's answer. Golden answers before the first that cannot be written down are one turn of calls: one that names an
unknown value (`${id from search}`) needs a result that the file does not have, and behind a question come values that
nobody gave. What is marked `[Optional]` is left out. A conversation that ends early has the flag `cut_REASON`. Where
nothing of an answer can be read, the user's message is still given, so that the checks drop and count it and the row's
other conversations are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from octupus.conversation import Conversation, FunctionDefinition, Message, Tool
from octupus.data.reasons import Problem, Reason
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, parse_arguments, parse_json

ASK = "getDetails"
OPTIONAL = "[Optional]"
NO_TOOL = "components"
"""The entry of `Function_Description` that explains the outputs of all tools."""
TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array"})
_PARAMETER = re.compile(r"(Required\. |Optional\. )?\s*([A-Za-z]+)(?:\[(string|integer|number|boolean|Object)\])?")
_PLACEHOLDER = re.compile(r'\$\{|"\{[^{}"]+\}"')
_ACTION = re.compile(r"\s*(?:ASSISTANT\s+)?Action:")
_THOUGHT = re.compile(r"\s*(?:ASSISTANT\s+)?Thought:")


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return isinstance(row.get("Function_Description"), dict) and ("Instructions" in row or "Instances" in row)


def convert(row: dict[str, Any]) -> tuple[Conversation, ...]:
    """The row's conversations, one for each instruction. Raises ConversionError."""
    described = mapping(row.get("Function_Description"), "Function_Description")
    tools = [_tool(name, value) for name, value in described.items() if name != NO_TOOL]
    if row.get("Instances") is not None:
        recorded = [mapping(value, "an instance") for value in sequence(row["Instances"], "Instances")]
        conversations = [_conversation(value.get("input"), _recorded(value), tools) for value in recorded]
    else:
        instructions = sequence(row.get("Instructions"), "Instructions")
        answers = sequence(row.get("Golden_Answers"), "Golden_Answers")
        if len(instructions) != len(answers):
            detail = f"{len(answers)} answers for {len(instructions)} instructions"
            raise ConversionError(Reason.WRONG_SHAPE, detail)
        conversations = [
            _conversation(
                instruction, _golden([mapping(step, "a step") for step in sequence(answer, "an answer")]), tools
            )
            for instruction, answer in zip(instructions, answers, strict=True)
        ]
    if not conversations:
        raise ConversionError(Reason.NO_ASSISTANT, "the API has no instructions")
    return tuple(conversations)


def _conversation(instruction: Any, answer: Sequence[Turn], tools: Sequence[Tool]) -> Conversation:
    asked = text(instruction, "an instruction")
    try:
        return build([Turn("user", asked), *answer], tools)
    except ConversionError as error:
        return Conversation(
            messages=(Message(role="user", content=asked),), tools=tuple(tools), flags=(f"cut_{error.reason}",)
        )


def _golden(steps: Sequence[dict[str, Any]]) -> list[Turn]:
    needed = [
        (action, written)
        for action, written in ((str(step.get("Action")), step.get("Action_Input")) for step in steps)
        if not action.startswith(OPTIONAL)
    ]
    turns: list[Turn] = []
    if needed and needed[0][0] == ASK:
        turns.append(Turn("assistant", _question(needed.pop(0)[1])))
        if needed:
            turns.append(Turn("assistant", problem=(Reason.UNGROUNDED, "the user's answer is not recorded")))
        return turns
    problems = [_unwritten(action, written) for action, written in needed]
    end = next((position for position, problem in enumerate(problems) if problem), len(needed))
    if end:
        turns.append(Turn("assistant", None, tuple(Call(action, written) for action, written in needed[:end])))
    if end < len(needed):
        turns.append(Turn("assistant", problem=problems[end]))
    return turns


def _unwritten(action: str, written: Any) -> Problem | None:
    """Why a golden step cannot be a call of the turn."""
    if action == ASK:
        return Reason.UNGROUNDED, "what the user would answer is not recorded"
    if not isinstance(written, str):
        return Reason.CALL_PARSE_ERROR, f"{action!r} has no Action_Input"
    if _PLACEHOLDER.search(written):
        return Reason.UNGROUNDED, f"{action!r} names a value that no result gives: {written[:80]!r}"
    return None if _readable(written) else (Reason.CALL_PARSE_ERROR, f"{action!r}: no JSON object in {written[:80]!r}")


def _recorded(instance: dict[str, Any]) -> list[Turn]:
    output = text(instance.get("output"), "output") or ""
    if not output.strip():
        # The simulation broke off, so there is no telling whether the calls before led anywhere.
        return [Turn("assistant", problem=(Reason.FAILED_TRAJECTORY, "the recorded solver gave no answer"))]
    turns: list[Turn] = []
    for value in sequence(instance.get("intermediate_steps") or [], "intermediate_steps"):
        if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], list) or len(value[0]) < 2:
            raise ConversionError(Reason.WRONG_SHAPE, "a step must hold an action and an observation")
        (action, written, *log), observation = value
        thought = _thought(log[0] if log and isinstance(log[0], str) else "")
        if action == ASK:
            turns += [Turn("assistant", _question(written)), Turn("user", text(observation, "an observation"))]
        elif isinstance(action, str) and (isinstance(written, dict) or _readable(written)):
            turns.append(Turn("assistant", thought, (Call(action, written),)))
            turns.append(Turn("tool", text(observation, "an observation"), tool_name=action))
        else:
            detail = f"no JSON object in the input {str(written)[:80]!r} of {str(action)[:80]!r}"
            return [*turns, Turn("assistant", problem=(Reason.CALL_PARSE_ERROR, detail))]
    return [*turns, Turn("assistant", output)]


def _thought(log: str) -> str | None:
    """What the log says before the action it repeats."""
    action = _ACTION.search(log)
    said = log[: action.start()] if action else log
    labelled = _THOUGHT.match(said)
    return (said[labelled.end() :] if labelled else said).strip() or None


def _question(written: Any) -> str | None:
    if isinstance(written, str) and _readable(written):
        written = parse_arguments(written)
    question = written.get("Question") if isinstance(written, dict) else written
    return question if isinstance(question, str) else None


def _readable(written: Any) -> bool:
    try:
        parse_arguments(str(written))
    except InvalidJsonError:
        return False
    return True


def _tool(name: str, value: Any) -> Tool:
    """A tool from its description: what it does, its parameters as JSON of words, its output."""
    described = text(value, f"description of {name!r}") or ""
    before, found, after = f"\n{described}".partition("\nParameters:")
    if not found:
        raise ConversionError(Reason.PARSE_TOOLS, f"the description of {name!r} has no parameters")
    try:
        parameters = parse_json(after.partition("\nOutput:")[0].strip())
    except InvalidJsonError as error:
        raise ConversionError(Reason.PARSE_TOOLS, f"parameters of {name!r}: {error}") from error
    if not isinstance(parameters, dict) or not all(isinstance(each, str) for each in parameters.values()):
        raise ConversionError(Reason.PARSE_TOOLS, f"parameters of {name!r} must be an object of descriptions")
    schema = {
        "type": "object",
        "properties": {parameter: _schema(words) for parameter, words in parameters.items()},
        "required": [parameter for parameter, words in parameters.items() if words.startswith("Required.")],
    }
    return Tool(function=FunctionDefinition(name=name, description=before.strip(), parameters=schema))


def _schema(words: str) -> dict[str, Any]:
    """`Required. Array[string]. The names.` as a schema; words that do not start with a type allow any."""
    match = _PARAMETER.match(words)
    if match is None or match[2].lower() not in TYPES:
        return {"description": words.strip()}
    schema: dict[str, Any] = {"type": match[2].lower()}
    if schema["type"] == "array" and match[3]:
        schema["items"] = {"type": match[3].lower()}
    # An item's structure, which is written in brackets of its own, stays in the description.
    schema["description"] = words[match.end() :].lstrip(". ").strip()
    return schema
