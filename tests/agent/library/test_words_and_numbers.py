"""Calculator, units, texts, dictionary, search and the other look-ups: right answers."""

import ast
import math
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .modules import load

calculator, units, texts, dictionary, search, songs, cartoons, recipes, weather = (
    load(name)
    for name in (
        "calculator",
        "units",
        "text_statistics",
        "dictionary",
        "search",
        "songs",
        "cartoons",
        "recipes",
        "weather",
    )
)

EXPRESSIONS = st.recursive(
    st.integers(1, 99).map(str) | st.floats(0.1, 9).map(lambda value: f"{value:.2f}"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        st.tuples(inner.map("({})".format), st.sampled_from(["2", "3", "-1"])).map("**".join),
    ),
    max_leaves=12,
)


OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: pow,
}


def value_of(node: ast.expr) -> float:
    """What Python's own grammar makes of an expression."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](value_of(node.left), value_of(node.right))
    if isinstance(node, ast.UnaryOp):
        return -value_of(node.operand)
    assert isinstance(node, ast.Constant)
    return float(node.value)


@given(EXPRESSIONS)
def test_expressions_have_the_value_that_python_gives_them(expression: str) -> None:
    try:
        wanted = float(value_of(ast.parse(expression, mode="eval").body))
        assert abs(wanted) < 1e300
    except (ZeroDivisionError, OverflowError, AssertionError):
        with pytest.raises(ValueError, match=r"divides by 0|has no value|too large"):
            calculator.calculate(expression)
    else:
        assert calculator.calculate(expression)["value"] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2^3^2", 512),
        ("-2^2", -4),
        ("2^-1", 0.5),
        ("sqrt(16) + 3×4", 16),
        ("1e3/8", 125),
        ("round(2.6)", 3),
        ("0.1+0.2", 0.3),
    ],
)
def test_binding_of_operators(expression: str, value: float) -> None:
    assert calculator.calculate(expression)["value"] == value


@pytest.mark.parametrize(
    "expression",
    ["", "2 +", "(1", "1)", "2 3", "foo(2)", "sqrt 2", "sqrt(-1)", "ln(0)", "1/0", "9**9**9", "(" * 500,
     "2^" * 400 + "2", "__import__('os')", "1_000", "10**400", "5 % 0", "exp(1000)"],
)  # fmt: skip
def test_what_has_no_value_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"expression|number|bracket|known|followed"):
        calculator.calculate(expression)


@given(st.integers(2, 10**12))
def test_prime_factors_multiply_to_the_number(number: int) -> None:
    factors = calculator.find_prime_factors(number)["factors"]
    assert math.prod(factors) == number
    assert all(calculator.find_prime_factors(factor)["prime"] for factor in set(factors))


@given(*[st.integers(-50, 50)] * 2, st.integers(1, 20))
def test_roots_of_quadratic_equations(first: int, second: int, a: int) -> None:
    roots = calculator.solve_quadratic(a, -a * (first + second), a * first * second)["roots"]
    assert roots == pytest.approx(sorted({first, second}), abs=1e-6)
    assert calculator.solve_quadratic(a, 0, a)["roots"] == []


@given(st.integers(1, 10**6), st.integers(1, 20), st.integers(0, 30))
def test_a_shared_bill_is_covered_by_less_than_a_cent_each(cents: int, people: int, tip: int) -> None:
    shared = calculator.split_bill(cents / 100, people, tip)
    total, each = round(shared["total_with_tip"] * 100), round(shared["each"] * 100)
    assert total <= each * people < total + people


@given(st.data(), st.floats(-1e6, 1e6))
def test_units_there_and_back(data: st.DataObject, value: float) -> None:
    quantity = data.draw(st.sampled_from(["length", "mass", "volume", "area", "speed", "energy", "time", "data"]))
    first, second = (data.draw(st.sampled_from(units.list_units(quantity)["units"])) for _ in range(2))
    there = units.convert_unit(value, first, second, 10)["value"]
    factor = units.convert_unit(1, second, first, 10)["value"]
    back = units.convert_unit(there, second, first, 10)["value"]
    assert back == pytest.approx(value, rel=1e-6, abs=1e-9 + 1e-9 * factor)


def test_known_conversions() -> None:
    assert units.convert_unit(26.2, "miles", "km", 2)["value"] == 42.16
    assert units.convert_unit(100, "celsius", "fahrenheit")["value"] == 212
    assert units.convert_unit(-40, "°F", "°C")["value"] == -40
    assert units.convert_unit(3, "斤", "公斤")["value"] == 1.5
    assert units.compare_quantities(1, "pound", 0.4, "kg")["greater"] == "first"
    assert units.compare_quantities(1, "km", 1000, "m")["greater"] == "equal"
    with pytest.raises(ValueError, match="unit of mass and metre one of length"):
        units.convert_unit(1, "kg", "metre")
    with pytest.raises(ValueError, match="absolute zero"):
        units.convert_unit(-1, "kelvin", "celsius")
    with pytest.raises(ValueError, match="list_units"):
        units.convert_unit(1, "parsec", "metre")


def test_texts_are_counted_and_compared() -> None:
    counted = texts.count_text("One two. Three's a crowd!\nYes?")
    assert (counted["words"], counted["sentences"], counted["lines"]) == (6, 3, 2)
    assert texts.find_frequent_words("b a B c a b", 2)["words"] == [
        {"word": "b", "count": 3},
        {"word": "a", "count": 2},
    ]
    easy = texts.measure_readability("The cat sat. The dog ran.")["reading_ease"]
    assert easy > texts.measure_readability("Institutional considerations necessitate deliberation.")["reading_ease"]
    assert texts.compare_texts("red car", "red bike")["only_in_second"] == ["bike"]
    assert texts.change_case("hello world", "title")["text"] == "Hello World"


def test_the_dictionary_goes_both_ways() -> None:
    assert dictionary.translate_word("Lantern")["translation"] == "灯笼"
    assert dictionary.translate_word("勇敢", "English")["translation"] == "brave"
    assert dictionary.find_synonyms("bold")["synonyms"] == ["brave"]
    assert "bargain" in dictionary.find_synonyms("negotiate")["synonyms"]
    assert dictionary.find_words("b", "verb") == {"count": 0, "words": []}
    with pytest.raises(ValueError, match="cheerful"):
        dictionary.define_word("cheese")


@pytest.mark.parametrize(
    ("query", "title"),
    [("longest river in Asia", "Yangtze"), ("who invented movable type printing", "Printing press"),
     ("largest planet solar system", "Jupiter"), ("smallpox vaccine", "Vaccination"),
     ("who painted Mona Lisa", "Mona Lisa"), ("antibiotic mould Fleming", "Penicillin"), ("bamboo bear", "Giant panda"),
     ("first landing on the Moon", "Apollo 11")],
)  # fmt: skip
def test_search_finds_the_article(query: str, title: str) -> None:
    found = search.search_encyclopaedia(query)["articles"]
    assert found[0]["title"] == title
    assert search.read_article(found[0]["id"])["title"] == title
    assert [article["score"] for article in found] == sorted((article["score"] for article in found), reverse=True)


def test_search_can_be_kept_to_a_topic_and_may_find_nothing() -> None:
    topics = {article["topic"] for article in search.search_encyclopaedia("China", "food", 20)["articles"]}
    assert topics == {"food"}
    assert search.search_encyclopaedia("xylophone zebra")["articles"] == []
    assert len(search.list_articles("art")["articles"]) == 7


def test_songs_and_cartoons_are_looked_up_in_their_languages() -> None:
    assert [song["title"] for song in songs.find_songs(artist="邓丽君", to_year=1980)["songs"]] == [
        "月亮代表我的心",
        "甜蜜蜜",
    ]
    assert {"artist": "ABBA", "songs": 2} in songs.list_artists("english")["artists"]
    assert cartoons.find_cartoons("calabash")["cartoons"][0]["title"] == "葫芦兄弟"
    titles = {cartoon["title"] for cartoon in cartoons.find_cartoons_with_character("孙悟空")["cartoons"]}
    assert titles == {"大闹天宫", "西游记之大圣归来"}
    assert len(cartoons.find_cartoons(country="china", form="film", from_year=2015)["cartoons"]) == 3
    with pytest.raises(ValueError, match="China, Czechoslovakia"):
        cartoons.find_cartoons(country="Atlantis")


def test_recipes_scale_and_add_up() -> None:
    assert [found["name"] for found in recipes.find_recipes(ingredients=["tomato", "egg"])["recipes"]] == ["番茄炒蛋"]
    assert all(found["diet"] == "vegan" for found in recipes.find_recipes(diet="vegan")["recipes"])
    doubled = recipes.get_recipe("rcp_1", 4)["ingredients"]
    assert {item["name"]: item["amount"] for item in doubled}["egg"] == 8
    items = recipes.make_shopping_list(["rcp_1", "rcp_3"], 2)["items"]
    assert {item["name"]: item["amount"] for item in items}["egg"] == 6


def test_the_weather_is_the_same_however_it_is_asked_for() -> None:
    state = weather.initial_state(8)
    today = weather.get_weather("上海", state=state)
    assert today == weather.get_forecast("shanghai", 1, state=state)["days"][0]
    assert weather.get_weather("Shanghai", unit="fahrenheit", state=state)["high_fahrenheit"] == round(
        today["high_celsius"] * 1.8 + 32
    )
    week = weather.get_forecast("Paris", 7, state=state)["days"]
    assert weather.find_best_day("Paris", "calm", state=state)["wind_kmh"] == min(each["wind_kmh"] for each in week)
    compared = weather.compare_weather(["Paris", "巴黎", "Sydney"], state=state)["cities"]
    assert {each["city"] for each in compared} == {"Paris", "Sydney"}
    with pytest.raises(ValueError, match=f"known from {week[0]['date']} to {week[-1]['date']}"):
        weather.get_weather("Paris", "2031-01-01", state=state)
