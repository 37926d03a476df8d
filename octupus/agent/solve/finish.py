"""`Finish`: the tool by which a model ends a task, with an answer or by giving up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from octupus.agent.solve.tree import FinishType
from octupus.agent.tools.status import Status
from octupus.conversation import FunctionDefinition, Tool
from octupus.schema.validation import InvalidJsonError, parse_arguments

FINISH = "Finish"

FINISH_TOOL = Tool(
    function=FunctionDefinition(
        name=FINISH,
        description=(
            "End the task. Call it once everything that was asked is done or known, with the answer for the user; or "
            "to give up when the task cannot be done from here. The user sees nothing but final_answer."
        ),
        parameters={
            "type": "object",
            "properties": {
                "return_type": {
                    "type": "string",
                    "enum": list(get_args(FinishType)),
                    "description": "give_answer, or give_up_and_restart when this attempt leads nowhere",
                },
                "final_answer": {
                    "type": "string",
                    "description": "The whole answer for the user; needed with give_answer",
                },
            },
            "required": ["return_type"],
            "additionalProperties": False,
        },
    )
)

RESULT_TEXTS = {
    Status.ANSWERED: '{"response": "the answer was given"}',
    Status.GAVE_UP: '{"response": "the attempt was given up"}',
}
"""What stands as the result of a call of `Finish`; no model sees it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A call of `Finish` that can be acted upon."""

    type: FinishType
    answer: str

    @property
    def status(self) -> Status:
        """ToolBench's number for it."""
        return Status.ANSWERED if self.type == "give_answer" else Status.GAVE_UP


def read_finish(text: str) -> Finished | str:
    """What a call of `Finish` asks for, or what is wrong with its arguments, in words for the model."""
    try:
        arguments = parse_arguments(text)
    except InvalidJsonError as error:
        return f"the arguments of {FINISH} are no JSON object: {error}"
    answer = arguments.get("final_answer", "")
    if not isinstance(answer, str):
        return f"final_answer of {FINISH} must be a string"
    match arguments.get("return_type"):
        case "give_answer":
            return Finished("give_answer", answer) if answer.strip() else f"give_answer of {FINISH} needs final_answer"
        case "give_up_and_restart":
            return Finished("give_up_and_restart", answer)
    return f"return_type of {FINISH} must be one of {', '.join(get_args(FinishType))}"
