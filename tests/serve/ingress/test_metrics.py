"""Metrics: what is counted of a request, and that the dashboard shows exactly what there is."""

import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.serve.ingress.metrics import DEFINITIONS, EXPORT_PREFIX, Definition, Instrument, Metrics
from octupus.serve.ingress.record import Outcome, RequestRecord, outcome_of_status

DASHBOARD = Path(__file__).parents[3] / "clusters" / "grafana" / "octupus.json"
BY_NAME = {definition.name: definition for definition in DEFINITIONS}


class Counted:
    """Stands in for Ray: keeps every value, and refuses what Ray refuses."""

    def __init__(self) -> None:
        self.values: list[tuple[str, float, dict[str, str]]] = []

    def make(self, definition: Definition, model: str) -> Instrument:
        def instrument(value: float, **labels: str) -> None:
            assert set(labels) == set(definition.labels)
            assert definition.kind != "counter" or value > 0
            self.values.append((definition.name, value, labels))

        return instrument

    def total(self, name: str) -> float:
        return sum(value for found, value, _ in self.values if found == name)


RECORDS = st.builds(
    RequestRecord,
    request_id=st.just("id"),
    status=st.none() | st.sampled_from([200, 400, 401, 408, 429, 500, 503]),
    outcome=st.none() | st.sampled_from(list(Outcome)),
    model=st.none() | st.text(),
    choices=st.integers(1, 4),
    admission=st.sampled_from([None, "enforced", "checked", "refused"]),
    prompt_tokens=st.integers(0, 9),
    completion_tokens=st.integers(0, 9),
    cached_tokens=st.integers(0, 9),
    failovers=st.integers(0, 2),
    invalid_calls=st.integers(0, 2),
    received=st.just(1.0),
    admitted=st.none() | st.just(2.0),
    first_token=st.none() | st.just(3.0),
    last_token=st.none() | st.just(5.0),
    ended=st.none() | st.just(6.0),
)


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=5))
def test_every_request_is_counted_once_and_every_token(records: list[RequestRecord]) -> None:
    counted = Counted()
    metrics = Metrics("m", counted.make)
    for record in records:
        metrics.ended(record)
    assert counted.total("octupus_requests_total") == len(records)
    assert counted.total("octupus_prompt_tokens_total") == sum(record.prompt_tokens for record in records)
    assert counted.total("octupus_completion_tokens_total") == sum(record.completion_tokens for record in records)
    assert counted.total("octupus_invalid_tool_calls_total") == sum(record.invalid_calls for record in records)
    assert counted.total("octupus_aborted_total") == sum(record.outcome is Outcome.ABORTED for record in records)
    assert counted.total("octupus_shed_total") == sum(record.outcome is Outcome.SHED for record in records)
    statuses = {labels["status"] for name, _, labels in counted.values if name == "octupus_requests_total"}
    assert statuses <= {"200", "400", "401", "408", "429", "499", "500", "503"}


@settings(deadline=None)
@given(st.integers(100, 599))
def test_a_status_says_how_a_request_ended(status: int) -> None:
    outcome = outcome_of_status(status)
    assert (outcome is Outcome.ANSWERED) == (status < 400)
    assert (outcome is Outcome.FAILED) == (status >= 500)


def test_ray_takes_every_definition() -> None:
    metrics = Metrics("m")
    record = RequestRecord("id", status=200, outcome=Outcome.ABORTED, admission="checked", received=1.0)
    record.admitted, record.first_token, record.last_token, record.ended = 2.0, 3.0, 5.0, 6.0
    record.prompt_tokens = record.completion_tokens = record.cached_tokens = record.failovers = record.invalid_calls = 2
    metrics.active(1)
    metrics.ended(record)


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_shows_exactly_the_metrics_that_there_are() -> None:
    suffix = {"counter": "", "gauge": "", "histogram": "(?:_bucket|_count|_sum)"}
    named = {name for text in expressions() for name in re.findall(rf"\b{EXPORT_PREFIX}(octupus_\w+)", text)}
    for definition in DEFINITIONS:
        matching = {name for name in named if re.fullmatch(definition.name + suffix[definition.kind], name)}
        assert matching, f"no panel shows {definition.name}"
        named -= matching
    assert not named, f"panels name what metrics.py does not define: {named}"


def test_the_dashboard_asks_for_labels_that_there_are_and_sums_rates_of_counters() -> None:
    for text in expressions():
        for name, body in re.findall(rf"{EXPORT_PREFIX}(octupus_\w+?)(?:_bucket|_count|_sum)?\{{([^}}]*)\}}", text):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", body))
            assert labels <= {*BY_NAME[name].labels, "model"}, text
        for name in re.findall(rf"{EXPORT_PREFIX}(octupus_\w+_total)\b", text):
            assert re.search(rf"(rate|increase)\({EXPORT_PREFIX}{name}", text), text
    assert any('model=~"$model"' in text for text in expressions())


def test_the_dashboard_can_be_laid_out() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(identities) == len(set(identities))
