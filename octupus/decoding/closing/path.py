"""The path itself: ends what is partial, writes what is required, closes what is open, and is tried on the matcher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.closing.costs import smallest_text
from octupus.decoding.closing.levels import Level, Phase, fresh_keys, key_endings
from octupus.decoding.closing.nodes import Array, Literals, Node, Number, Object, Schema, Text
from octupus.decoding.closing.pieces import string_text
from octupus.decoding.closing.search import search_path

if TYPE_CHECKING:
    from octupus.decoding.closing.follower import ClosingFollower, Plan

MOST_CHAINS = 64
"""Combinations of alternatives that are tried before the search."""
MOST_TRIALS = 200
Part = tuple[int, ...] | Schema


def find_path(follower: ClosingFollower, matcher: ArgumentsMatcher) -> list[int]:
    """See ClosingFollower.path."""
    if not follower.lost:
        ways = []
        for chain, _ in zip(_chains(follower), range(MOST_CHAINS), strict=False):
            ways.append((_weight(follower, chain), chain))
        trials = 0
        for _, chain in sorted(ways, key=lambda way: way[0]):
            for first, parts in _endings(follower, chain):
                ids = first + write(follower.plan, parts)
                for attempt in _encodings(follower.plan, first, ids):
                    if _completes(matcher, attempt):
                        return list(attempt)
                trials += 1
                if trials >= MOST_TRIALS:
                    break
            if trials >= MOST_TRIALS:
                break
    follower.searches += 1
    return search_path(matcher, follower.plan.pieces.vocabulary)


def write(plan: Plan, parts: list[Part]) -> tuple[int, ...]:
    """Tokens of parts, each schema as its smallest instance. Takes no recursion, however deep the schema."""
    ids: list[int] = []
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            ids += part
        else:
            waiting += reversed(_smallest_parts(plan, plan.costs.cheapest(part)))
    return tuple(ids)


def _smallest_parts(plan: Plan, node: Node) -> list[Part]:
    ids = plan.pieces.ids
    if isinstance(node, Literals):
        return [min(map(ids, node.texts), key=len)]
    if isinstance(node, Text):
        return [ids(string_text(smallest_text(node)))]
    if isinstance(node, Number):
        return [ids(node.range.smallest() or "0")]
    opening = ids("{") if isinstance(node, Object) else ids("[")
    return [opening, *_rest(plan, Level((node,), isinstance(node, Object)), node)]


def _rest(plan: Plan, level: Level, node: Node) -> list[Part]:
    """What an open container still needs when no entry is in progress, its bracket included."""
    ids = plan.pieces.ids
    empty = level.phase in (Phase.FIRST, Phase.NEXT)
    parts: list[Part] = []
    if isinstance(node, Array):
        for index in range(level.count, max(node.least, level.count + (level.phase is Phase.NEXT))):
            parts += [() if empty and index == level.count else ids(","), node.child(index)]
        return [*parts, ids("]")]
    assert isinstance(node, Object)
    wanted = [key for key in node.required if key not in level.keys]
    missing = max(node.least - level.count, int(level.phase is Phase.NEXT)) - len(wanted)
    if missing > 0:
        wanted += _extra_keys(plan, level, node, wanted, missing)
    for index, key in enumerate(wanted):
        comma = "" if empty and index == 0 else ","
        parts += [ids(f"{comma}{string_text(key)}:"), node.child(key)]
    return [*parts, ids("}")]


def _extra_keys(plan: Plan, level: Level, node: Object, wanted: list[str], missing: int) -> list[str]:
    taken = Level((node,), True, keys=level.keys | set(wanted))
    found: list[str] = []
    while len(found) < missing:
        key = next(fresh_keys(taken, node, plan.costs), None)
        if key is None:
            break
        found.append(key)
        taken.keys.add(key)
    order = {key: index for index, key in enumerate(node.properties)}
    return sorted(found, key=lambda key: order.get(key, len(order)))


def _chains(follower: ClosingFollower) -> Iterator[tuple[Node, ...]]:
    """Consistent choices of one node for each open level and for the scalar in progress."""
    alternatives = follower.plan.graph.alternatives
    waiting: list[tuple[Node, ...]] = [()]
    depth = len(follower.levels) + (follower.scalar is not None)
    while waiting:
        chain = waiting.pop()
        at = len(chain)
        if at == depth:
            yield chain
            continue
        nodes = follower.levels[at].nodes if at < len(follower.levels) else follower.scalar.nodes  # type: ignore[union-attr]
        schema = follower.levels[at - 1].child(chain[-1]) if chain else follower.plan.graph.root
        fitting = set(alternatives(schema)) if schema is not None else set()
        waiting += [(*chain, node) for node in reversed(nodes) if node in fitting]


def _weight(follower: ClosingFollower, chain: tuple[Node, ...]) -> int:
    costs, weight = follower.plan.costs, 0
    for level, node in zip(follower.levels, chain, strict=False):
        if isinstance(node, Array | Object):
            weight += costs.remaining(node, level.keys, level.count)
    if follower.scalar is not None:
        ids = next(follower.scalar.endings(chain[-1], follower.plan.pieces), None)
        weight += 1 << 30 if ids is None else len(ids)
    return weight


def _endings(follower: ClosingFollower, chain: tuple[Node, ...]) -> Iterator[tuple[tuple[int, ...], list[Part]]]:
    """Ways to end the value along a chain: tokens that end what is partial, and the parts behind them."""
    plan = follower.plan
    behind = [
        part
        for level, node in list(zip(follower.levels, chain, strict=False))[::-1][1:]
        for part in _outer(plan, level, node)
    ]
    behind.append(plan.pieces.suffix(plan.frame.after, follower.framed))
    if not follower.begun:
        for node in sorted(plan.graph.alternatives(plan.graph.root), key=plan.costs.smallest_node):
            yield (), [*_smallest_parts(plan, node), *behind]
        return
    if not follower.levels:
        if follower.scalar is None:
            yield (), behind
        else:
            for ids in follower.scalar.endings(chain[-1], plan.pieces):
                yield ids, behind
        return
    level, node = follower.levels[-1], chain[len(follower.levels) - 1]
    for first, parts in _innermost(follower, level, node, chain[-1]):
        yield first, [*parts, *behind]


def _innermost(
    follower: ClosingFollower, level: Level, node: Node, last: Node
) -> Iterator[tuple[tuple[int, ...], list[Part]]]:
    plan = follower.plan
    if follower.scalar is not None:
        for ids in follower.scalar.endings(last, plan.pieces):
            yield ids, _outer(plan, level, node)
    elif level.phase is Phase.KEY and isinstance(node, Object):
        for ids, key in key_endings(level, node, plan.costs, plan.pieces):
            ended = level.copy()
            ended.keys.add(key)
            ended.key, ended.count = key, level.count + 1
            yield ids, [node.child(key), *_outer(plan, ended, node)]
    elif level.phase in (Phase.COLON, Phase.VALUE):
        schema = level.child(node)
        colon = plan.pieces.ids(":") if level.phase is Phase.COLON else ()
        if schema is not None:
            yield colon, [schema, *_outer(plan, level, node)]
    elif level.phase is Phase.NEXT and isinstance(node, Object):
        yield from _next_entry(plan, level, node)
    else:
        yield (), _rest(plan, level, node)


def _next_entry(plan: Plan, level: Level, node: Object) -> Iterator[tuple[tuple[int, ...], list[Part]]]:
    """Behind a comma: what is required, else any key that the matcher takes."""
    yield (), _rest(plan, level, node)
    for key in fresh_keys(level, node, plan.costs):
        ended = level.copy()
        ended.keys.add(key)
        ended.key, ended.count = key, level.count + 1
        yield plan.pieces.ids(f"{string_text(key)}:"), [node.child(key), *_outer(plan, ended, node)]


def _outer(plan: Plan, level: Level, node: Node) -> list[Part]:
    """What a container needs behind the entry that is in progress."""
    after = level.copy()
    after.phase = Phase.COMMA
    return _rest(plan, after, node)


def _encodings(plan: Plan, first: tuple[int, ...], ids: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The same text in as few tokens as the tokenizer makes of it, where that is fewer, and piece by piece."""
    try:
        encoded = plan.pieces.ids(plan.pieces.data(ids).decode("utf-8"))
    except UnicodeDecodeError:
        encoded = first + plan.pieces.ids(plan.pieces.data(ids[len(first) :]).decode("utf-8"))
    if len(encoded) < len(ids):
        yield encoded
    yield ids


def _completes(matcher: ArgumentsMatcher, ids: tuple[int, ...]) -> bool:
    trial = matcher.fork()
    return all(map(trial.accept, ids)) and trial.can_end()
