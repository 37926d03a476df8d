import re
from collections.abc import Callable

import pytest

from octupus import page

STRANGE = "<b> & $x$ $"
CHARTS: dict[str, Callable[[], str]] = {
    "line": lambda: page.line_chart({STRANGE: ([1, 2], [3, 4]), "other": ([1], [2])}, "step", "loss"),
    "faint": lambda: page.line_chart({STRANGE: ([1, 2], [3, 4])}, "step", "loss", faint=[STRANGE], dotted=[STRANGE]),
    "log": lambda: page.line_chart({STRANGE: ([1, 2], [3, 4000])}, "step", "norm", log_y=True),
    "stacked": lambda: page.stacked_chart([1, 2], {STRANGE: [3, 4], "other": [0, 0]}, "step", "seconds"),
    "single": lambda: page.stacked_chart([1], {STRANGE: [3]}, "step", "seconds"),
    "bars": lambda: page.bar_chart({STRANGE: 2.0}, "rows"),
    "histogram": lambda: page.histogram([1, 2, 2], "tokens"),
}


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS.keys())
def test_a_chart_is_one_svg_and_any_name_can_stand_in_it(draw: Callable[[], str]) -> None:
    svg = draw()
    assert svg.startswith("<svg")
    assert svg.count("<svg") == 1
    assert "<b>" not in svg


def test_dotted_curves_mark_their_points() -> None:
    points = ([1, 2, 3], [3, 4, 5])

    def markers(svg: str) -> int:
        return len(re.findall(r"<use xlink:href", svg))

    plain = page.line_chart({"a": points}, "step", "loss")
    assert markers(page.line_chart({"a": points}, "step", "loss", dotted=["a"])) == markers(plain) + 3


def test_text_is_escaped() -> None:
    html = page.page(
        STRANGE,
        [page.Section(STRANGE, page.text(STRANGE) + page.preformatted(STRANGE) + page.table([STRANGE], [[STRANGE]]))],
    )
    assert "<b>" not in html
    assert html.count("&lt;b&gt; &amp; $x$ $") == 7


def test_numbers_in_tables() -> None:
    html = page.table(["name", "value"], [["a", 1234567], ["b", 0.123456], ["c", True]])
    assert '<td class="number">1,234,567</td>' in html
    assert '<td class="number">0.1235</td>' in html
    assert "<td>True</td>" in html
