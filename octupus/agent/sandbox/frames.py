"""Frames between octupus and a process that runs tools: a length, a number that pairs answers with calls, a payload.

Standard library only: the process that runs tools imports it.
"""

from __future__ import annotations

import os
import struct

HEADER = struct.Struct("!QQ")
"""Bytes of the payload, and the call's number. Number 0 is the start; an empty payload takes a call back."""

STATE_BYTES = 16 * 1024 * 1024
"""Longest state as JSON."""


def longest_payload(result_bytes: int) -> int:
    """Bytes that an honest answer cannot exceed: JSON's escapes make three bytes of one at most."""
    return 3 * (result_bytes + STATE_BYTES) + 4096


def frame(number: int, payload: bytes) -> bytes:
    """The bytes of one frame."""
    return HEADER.pack(len(payload), number) + payload


def read_frame(descriptor: int) -> tuple[int, bytes] | None:
    """The next frame of a blocking descriptor; None where it ends."""
    header = _read(descriptor, HEADER.size)
    if header is None:
        return None
    length, number = HEADER.unpack(header)
    payload = _read(descriptor, length)
    return None if payload is None else (number, payload)


def write_all(descriptor: int, content: bytes) -> None:
    """Write everything to a blocking descriptor. Raises OSError when nobody reads."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read(descriptor: int, length: int) -> bytes | None:
    content = bytearray()
    while len(content) < length:
        part = os.read(descriptor, min(length - len(content), 1 << 20))
        if not part:
            return None
        content += part
    return bytes(content)
