"""One call, in a process of its own: the function is run, and one frame says what came of it. Standard library only."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

from octupus.agent.sandbox import confine, frames
from octupus.agent.sandbox.loading import INITIAL_STATE, Loaded, said
from octupus.agent.tools.status import Status


def run(loaded: Loaded, request: bytes, gives: int, result_bytes: int, memory_mib: int) -> None:
    """Run what the request asks for and write its outcome to `gives`; the caller ends the process.

    The request is `{"function", "arguments", "state"?}`, the state as JSON text. The outcome is
    `{"status", "text", "state"?}`: the state is left out where it is as it was.
    """
    try:
        outcome = loaded.context.run(_outcome, loaded, json.loads(request), result_bytes)
    except MemoryError:
        confine.give_memory_for_the_error()
        outcome = broken(f"it needs more than the {memory_mib} MiB of memory that it may take")
    except SystemExit as error:
        outcome = broken(f"it ended its process with exit status {error.code!r:.100}")
    except BaseException as error:  # noqa: BLE001  the tool may raise anything, KeyboardInterrupt too
        outcome = broken(f"it raised {said(error)}")
    frames.write_all(gives, frames.frame(0, outcome))


def broken(why: str) -> bytes:
    """The outcome of a call that did not run to its end."""
    return _packed(Status.REQUEST_ERROR, why)


def out_of_time(timeout_s: float) -> bytes:
    """The outcome of a call that was ended because it took too long."""
    return _packed(Status.TIMEOUT, f"it took longer than {timeout_s:g} s and was stopped")


def _packed(status: Status, text: str, **more: str) -> bytes:
    # Messages of exceptions may hold lone surrogates, which UTF-8 cannot: as JSON escapes they can travel.
    return json.dumps({"status": int(status), "text": text, **more}).encode()


def _outcome(loaded: Loaded, request: dict[str, Any], result_bytes: int) -> bytes:
    name = request["function"]
    function = loaded.functions.get(name)
    if function is None:
        return broken(f"its module has no function {name!r}")
    _repeat_random_numbers(request)
    state_text = request.get("state")
    state = None if state_text is None else json.loads(state_text)
    signature = loaded.signatures.get(name)
    try:
        arguments = request["arguments"] if signature is None else signature.values(request["arguments"])
        if state_text is not None:
            arguments["state"] = state
        result = function(**arguments)
        if inspect.iscoroutine(result):
            import asyncio  # only where it is used: it doubles the time of a start

            result = asyncio.run(result)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  the tool may raise anything
        return _packed(Status.TOOL_ERROR, said(error))
    return _judged(result, state, state_text, result_bytes if name != INITIAL_STATE else frames.STATE_BYTES)


def _judged(result: Any, state: Any, state_text: str | None, result_bytes: int) -> bytes:
    try:
        text = _json(result)
    except (TypeError, ValueError, RecursionError) as error:
        return broken(f"its result is no JSON: {said(error)}")
    size = len(text.encode())
    if size > result_bytes:
        return broken(f"its result has {size} bytes as JSON, more than the {result_bytes} that it may have")
    if state_text is None:
        return _packed(Status.OK, text)
    try:
        after = _json(state)
        if after == state_text:
            return _packed(Status.OK, text)
        if json.loads(after) != state:
            raise ValueError("it holds what JSON cannot, such as a tuple or a key that is no string")
    except (TypeError, ValueError, RecursionError) as error:
        return broken(f"the state that it left is no JSON: {said(error)}")
    if len(after.encode()) > frames.STATE_BYTES:
        return broken(f"the state that it left has more than {frames.STATE_BYTES} bytes as JSON")
    return _packed(Status.OK, text, state=after)


def _json(value: Any) -> str:
    """Strict JSON as octupus writes it. Raises TypeError, ValueError and RecursionError."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    return text


def _repeat_random_numbers(request: dict[str, Any]) -> None:
    """Equal calls in equal states give equal results, also where a tool draws random numbers."""
    drawing = sys.modules.get("random")
    if drawing is not None:
        drawing.seed(json.dumps(request, sort_keys=True))
