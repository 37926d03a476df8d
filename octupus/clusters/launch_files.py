"""Checks the files that start clusters, before anything is started: `ray up`, KubeRay, SkyPilot, Serve, runtime_env.

    check_launch_file(read_yaml(path), str(path))

What a file is, its keys tell; what is wrong with it is told with the nearest key that its launcher knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from octupus.clusters.launch_schemas import (
    LaunchFileKind,
    exact_share,
    known_share,
    problems,
    top_level_keys,
)
from octupus.config import nearest
from octupus.errors import ConfigError

_EMBEDDED = (
    ("RayService", "serveConfigV2", LaunchFileKind.SERVE),
    ("RayJob", "runtimeEnvYAML", LaunchFileKind.RUNTIME_ENV),
)


def kind_of(values: Mapping[str, Any]) -> LaunchFileKind | None:
    """Which launcher reads a file with these keys, most of which it must know; None when none does.

    A key that is a typo away from one that is known counts too, so that a mistyped file is still told what is wrong.
    """
    for share_of in (exact_share, known_share):  # the second looks for near keys, which takes 100 times as long
        share, best = max(
            ((share_of(values, top_level_keys(kind)), kind) for kind in LaunchFileKind), key=lambda pair: pair[0]
        )
        if share > 0.5:
            return best
    return None


def check_launch_file(values: Mapping[str, Any], origin: str) -> None:
    """Raises ConfigError, a line for each unknown key, wrong value, or node type that could not do its work.

    `origin` says in errors where the values came from. The arguments of Serve's applications are not looked into: see
    `serve_blocks`.
    """
    kind = kind_of(values)
    if kind is None:
        kinds = ", ".join(kind.value for kind in LaunchFileKind)
        raise ConfigError(f"most keys of {origin} belong to no launcher's file; the kinds are {kinds}")
    _raise(problems(kind, values, origin))
    if kind is LaunchFileKind.RAY_UP:
        _raise(_wrong_node_types(values, origin))
    elif kind is LaunchFileKind.KUBERAY:
        for embedded, inner, place in _embedded(values, origin):
            _raise(problems(embedded, inner, place))
        _raise(_wrong_worker_groups(values, origin))


def serve_blocks(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The Serve configs in a file that was checked: the whole of a Serve config, a RayService's serveConfigV2."""
    kind = kind_of(values)
    if kind is LaunchFileKind.SERVE:
        return [values]
    if kind is LaunchFileKind.KUBERAY:
        return [inner for embedded, inner, _ in _embedded(values, "") if embedded is LaunchFileKind.SERVE]
    return []


def _raise(found: list[str]) -> None:
    if found:
        raise ConfigError("\n".join(found))


def _embedded(values: Mapping[str, Any], origin: str) -> Iterator[tuple[LaunchFileKind, Mapping[str, Any], str]]:
    """YAML that a KubeRay resource holds as text: its kind, its values, and where it stands."""
    for resource, field, kind in _EMBEDDED:
        text = values["spec"].get(field) if values["kind"] == resource else None
        if text is None:
            continue
        place = f"{origin}, spec.{field}"
        try:
            inner = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{place} is not valid YAML: {error}") from error
        if not isinstance(inner, dict):
            raise ConfigError(f"{place} must hold a mapping of keys to values")
        yield kind, inner, place


def _wrong_node_types(values: Mapping[str, Any], origin: str) -> list[str]:
    types: Mapping[str, Any] = values.get("available_node_types") or {}
    head = values.get("head_node_type")
    found = []
    if types and head not in types:
        near = nearest(str(head), types)
        hint = f"did you mean {near!r}?" if near else f"it is one of {', '.join(types)}"
        found.append(f"head_node_type: {head!r} is none of available_node_types in {origin}; {hint}")
    for name, node in types.items():
        place = f"available_node_types.{name}"
        # Ray's defaults: no further node of the head's type, and up to the cluster's max_workers of any other.
        most = node.get("max_workers", 0 if name == head else values.get("max_workers", 2))
        if "gpu" in name.lower() and most > 0 and not node["resources"].get("GPU"):
            found.append(
                f"{place}: a node type without GPUs in {origin}, though its name says that it has them; "
                f"set {place}.resources.GPU to the number of GPUs of one machine, or name it otherwise"
            )
        found += _wrong_order(f"{place}.min_workers", node.get("min_workers", 0), most, origin)
    least = sum(node.get("min_workers", 0) for node in types.values())
    return found + _wrong_order("available_node_types.*.min_workers", least, values.get("max_workers", least), origin)


def _wrong_worker_groups(values: Mapping[str, Any], origin: str) -> list[str]:
    field = {"RayCluster": None, "RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}[values["kind"]]
    cluster = values["spec"].get(field, {}) if field else values["spec"]
    found = []
    for index, group in enumerate(cluster.get("workerGroupSpecs", [])):
        place = f"spec.{field + '.' if field else ''}workerGroupSpecs.{index}"
        most = group.get("maxReplicas", group.get("replicas", 0))
        containers = group["template"]["spec"]["containers"]
        limits = [name for container in containers for name in container.get("resources", {}).get("limits", {})]
        if "gpu" in group["groupName"].lower() and most > 0 and not any("/" in name for name in limits):
            found.append(
                f"{place}: a worker group without GPUs in {origin}, though it is named {group['groupName']!r}; "
                "set nvidia.com/gpu in the limits of its container to the number of GPUs of a pod, or name it otherwise"
            )
        found += _wrong_order(f"{place}.minReplicas", group.get("minReplicas", 0), most, origin)
    return found


def _wrong_order(place: str, least: int, most: int, origin: str) -> list[str]:
    return [f"{place}: {least} is more than the maximum of {most} (in {origin})"] if least > most else []
