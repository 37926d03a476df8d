"""What GET /metrics answers: the metrics of octupus, vLLM and Serve on every node, as Prometheus reads them.

Ray's agent on each node serves what all its workers report, with or without a dashboard; a value appears there up to
10 seconds after it changed (`metrics_report_interval_ms`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import ray

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FAMILIES = ("ray_octupus_", "ray_vllm_", "ray_serve_")
TIMEOUT_S = 2.0


async def metrics_text() -> str:
    """The metrics of the whole cluster that this process is connected to."""
    # Off the loop: it asks Ray's head node.
    nodes = await asyncio.to_thread(ray.nodes)
    return await scrape(metrics_urls(nodes))


def metrics_urls(nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where the living ones of `ray.nodes()` serve their metrics. A node that does not serve any has port -1."""
    return [
        f"http://{_host(node['NodeManagerAddress'])}:{node['MetricsExportPort']}/metrics"
        for node in nodes
        if node["Alive"] and node["MetricsExportPort"] > 0
    ]


async def scrape(urls: Sequence[str], families: tuple[str, ...] = FAMILIES) -> str:
    """The families whose names begin so, from all urls at once; those that do not answer are counted."""
    # Not through a proxy of the environment: nodes are near.
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        texts = await asyncio.gather(*(_fetched(client, url) for url in urls))
    failed = [url for url, text in zip(urls, texts, strict=True) if text is None]
    return _told(failed) + merged([text for text in texts if text is not None], families)


def merged(texts: Iterable[str], families: tuple[str, ...] = FAMILIES) -> str:
    """One text of several: every family once, with the samples of all."""
    heads: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for text in texts:
        family = ""
        for line in text.split("\n"):
            if line.startswith(("# HELP ", "# TYPE ")):
                _, kind, family = line.split(" ", 3)[:3]
                if family.startswith(families):
                    heads.setdefault(family, {}).setdefault(kind, line)
            elif line and not line.startswith("#"):
                # The samples of a histogram bear longer names than their family.
                name = family if family and line.startswith(family) else line.partition("{")[0].partition(" ")[0]
                if name.startswith(families):
                    samples.setdefault(name, []).append(line)
    lines = (line for name, found in samples.items() for line in (*heads.get(name, {}).values(), *found))
    return "".join(f"{line}\n" for line in lines)


async def _fetched(client: httpx.AsyncClient, url: str) -> str | None:
    try:
        response = await client.get(url)
        response.raise_for_status()
    except httpx.HTTPError:
        return None
    return response.text


def _told(failed: Sequence[str]) -> str:
    name = "octupus_unreachable_metrics_nodes"
    comments = "".join(f"# no answer from {url}\n" for url in failed)
    return f"{comments}# HELP {name} Nodes whose metrics are missing here.\n# TYPE {name} gauge\n{name} {len(failed)}\n"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
