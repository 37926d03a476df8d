"""A home with lights, radiators, blinds, locks and sensors."""

from __future__ import annotations

import random
from typing import Any, Literal, get_args

CATEGORY = "Devices"

Room = Literal["living room", "kitchen", "bedroom", "bathroom", "hall"]
_ROOMS: tuple[str, ...] = get_args(Room)
Scene = Literal["good morning", "good night", "away", "film"]


def initial_state(seed: int) -> dict[str, Any]:
    """Lights and radiators in all rooms, two blinds, the front door's lock and a few sensors."""
    draw = random.Random(f"smart_home:{seed}")
    devices: list[dict[str, Any]] = []

    def add(kind: str, room: str, **values: Any) -> None:
        devices.append({"id": f"dev_{len(devices) + 1}", "kind": kind, "room": room, **values})

    for room in _ROOMS:
        add("light", room, on=draw.random() < 0.5, brightness=draw.randrange(10, 101, 10))
    for room in _ROOMS[:4]:
        add("radiator", room, target_celsius=draw.randrange(34, 46) / 2, mode=draw.choice(["comfort", "eco"]))
    for room in ("living room", "bedroom"):
        add("blind", room, closed_percent=draw.choice([0, 50, 100]))
    add("lock", "hall", locked=draw.random() < 0.5)
    sensors = [
        {"room": room, "celsius": draw.randrange(160, 240) / 10, "humidity_percent": draw.randrange(35, 70)}
        for room in _ROOMS[:4]
    ]
    return {"devices": devices, "sensors": sensors}


def list_devices(room: Room | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the devices of the home with their settings.

    Args:
        room: Room they are in; without it, all rooms.
    """
    return {"devices": [device for device in state["devices"] if room in (None, device["room"])]}


def read_room_climate(room: Room, *, state: dict[str, Any]) -> dict[str, Any]:
    """Read the temperature and humidity of a room.

    Args:
        room: The room.
    """
    for sensor in state["sensors"]:
        if sensor["room"] == room:
            return dict(sensor)
    raise ValueError(f"there is no sensor in {room!r}; there are in {', '.join(s['room'] for s in state['sensors'])}")


def set_light(room: Room, on: bool, brightness: int | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Turn the light of a room on or off.

    Args:
        room: The room.
        on: Whether the light is on.
        brightness: Percentage from 1 to 100; without it, as bright as before.
    """
    light = _device("light", room, state)
    if brightness is not None and not 1 <= brightness <= 100:
        raise ValueError(f"brightness must be from 1 to 100, not {brightness}; a light goes out with on=false")
    light["on"] = on
    if brightness is not None:
        light["brightness"] = brightness
    return light


def set_thermostat(
    room: Room, celsius: float, mode: Literal["comfort", "eco"] | None = None, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Set the temperature that the radiator of a room keeps.

    Args:
        room: The room.
        celsius: Degrees Celsius, from 5 to 28 in steps of a half.
        mode: How it heats; without it, as before.
    """
    radiator = _device("radiator", room, state)
    if not 5 <= celsius <= 28 or celsius * 2 % 1:
        raise ValueError(f"celsius must be from 5 to 28 in steps of 0.5, not {celsius}")
    radiator["target_celsius"] = celsius
    if mode is not None:
        radiator["mode"] = mode
    return radiator


def set_blind(room: Room, closed_percent: int, *, state: dict[str, Any]) -> dict[str, Any]:
    """Move the blind of a room.

    Args:
        room: The room.
        closed_percent: How far it is closed, from 0 (open) to 100.
    """
    blind = _device("blind", room, state)
    if not 0 <= closed_percent <= 100:
        raise ValueError(f"closed_percent must be from 0 to 100, not {closed_percent}")
    blind["closed_percent"] = closed_percent
    return blind


def lock_front_door(locked: bool = True, *, state: dict[str, Any]) -> dict[str, Any]:
    """Lock or unlock the front door.

    Args:
        locked: Whether it is locked.
    """
    lock = _device("lock", "hall", state)
    lock["locked"] = locked
    return lock


def run_scene(scene: Scene, *, state: dict[str, Any]) -> dict[str, Any]:
    """Set all lights, blinds and the lock at once for a moment of the day.

    Args:
        scene: good morning opens the blinds, good night and away put out all lights and lock the door, film dims the
            living room.
    """
    if scene not in get_args(Scene):
        raise ValueError(f"scene must be one of {', '.join(get_args(Scene))}, not {scene!r}")
    for device in state["devices"]:
        if device["kind"] == "blind" and (scene != "film" or device["room"] == "living room"):
            device["closed_percent"] = 0 if scene == "good morning" else 100
        if device["kind"] == "light" and scene in ("good night", "away"):
            device["on"] = False
        if device["kind"] == "light" and scene == "film" and device["room"] == "living room":
            device.update(on=True, brightness=10)
        if device["kind"] == "lock" and scene in ("good night", "away"):
            device["locked"] = True
    return {"scene": scene, "devices": state["devices"]}


def _device(kind: str, room: str, state: dict[str, Any]) -> dict[str, Any]:
    devices: list[dict[str, Any]] = [device for device in state["devices"] if device["kind"] == kind]
    for device in devices:
        if device["room"] == room:
            return device
    raise ValueError(f"there is no {kind} in {room!r}; there are in {', '.join(device['room'] for device in devices)}")
