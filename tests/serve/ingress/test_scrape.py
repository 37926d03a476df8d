"""/metrics: the text of several nodes as one, and a node that does not answer."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from octupus.serve.ingress.scrape import FAMILIES, merged, metrics_urls, scrape


def exported(node: str) -> str:
    """What one node tells, the same each time."""
    disable_created_metrics()
    registry = CollectorRegistry()
    Counter("ray_octupus_requests", "Requests.", ["node", "text"], registry=registry).labels(
        node, 'a "b"\n{x}\u2028'
    ).inc()
    Histogram("ray_octupus_ttft_seconds", "First.", ["node"], registry=registry).labels(node).observe(0.2)
    Gauge("ray_vllm_num_requests_running", "Running.", ["node"], registry=registry).labels(node).set(2)
    Gauge("ray_node_cpu_count", "Another.", ["node"], registry=registry).labels(node).set(2)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[str, list[str]]:
    """By family: sorted samples. The reader refuses a family that is told twice with different heads."""
    found: dict[str, list[str]] = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in found
        found[family.name] = sorted(str(sample) for sample in family.samples)
    return found


def test_the_merged_text_holds_every_sample_of_the_wanted_families_once() -> None:
    texts = [exported(node) for node in "abc"]
    apart = [samples(text) for text in texts]
    wanted = [name for name in apart[0] if name.startswith(FAMILIES)]
    together = samples(merged(texts))
    assert together == {name: sorted(sample for one in apart for sample in one[name]) for name in wanted}
    assert len(wanted) >= 3


@pytest.fixture
def node() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exported("a").encode()
            self.send_response(200 if self.path == "/metrics" else 500)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_nodes_that_fail_are_counted_and_the_others_told(node: str) -> None:
    text = asyncio.run(scrape([f"{node}/metrics", f"{node}/broken", "http://127.0.0.1:1/metrics"]))
    told = samples(text)
    (unreachable,) = told.pop("octupus_unreachable_metrics_nodes")
    assert "value=2," in unreachable
    assert told == samples(merged([exported("a")]))


def test_only_living_nodes_that_serve_metrics_are_asked() -> None:
    nodes = [
        {"Alive": alive, "NodeManagerAddress": address, "MetricsExportPort": port}
        for alive, address, port in [
            (True, "10.0.0.1", 8),
            (False, "10.0.0.2", 8),
            (True, "10.0.0.3", -1),
            (True, "::1", 9),
        ]
    ]
    assert metrics_urls(nodes) == ["http://10.0.0.1:8/metrics", "http://[::1]:9/metrics"]
