"""What people want of units, texts and the encyclopaedia."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import facts
from octupus.agent.generate.wording import each, wording

UNITS = (
    (("km", "kilometre", "公里"), ("mi", "mile", "英里")),
    (("kg", "kilogram", "公斤"), ("lb", "pound", "磅")),
    (("l", "litre", "升"), ("gallon", "gallon", "加仑")),
    (("m", "metre", "米"), ("ft", "foot", "英尺")),
    (("hectare", "hectare", "公顷"), ("acre", "acre", "英亩")),
    (("celsius", "celsius", "摄氏度"), ("fahrenheit", "fahrenheit", "华氏度")),
    (("kcal", "kilocalorie", "千卡"), ("kJ", "kilojoule", "千焦")),
)
TEXTS = (
    ("The quick brown fox jumps over the lazy dog.", "今天天气很好，我们去公园散步吧。"),
    ("It rained all morning. In the afternoon the sun came out.", "早上一直下雨，下午太阳出来了。"),
    ("Bring bread, butter and three apples!", "请带面包、黄油和三个苹果！"),
    ("We met at the station, walked to the river and had lunch there.", "我们在车站见面，走到河边吃了午饭。"),
    ("My sister plays the piano, and my brother sings.", "我姐姐弹钢琴，我弟弟唱歌。"),
    ("Do you know when the next bus leaves?", "你知道下一班公交车几点开吗？"),
    ("Please close the window before you leave the house.", "出门之前请把窗户关上。"),
)


def _pair(draw: Draw) -> tuple[str, str]:
    """Two units as the user writes them; in Chinese with the name that the tool takes."""
    first, second = draw.some(draw.one(UNITS), 2)
    return (first[1], second[1]) if draw.random.random() < 0.5 else (first[0], second[0])


@scenario("single", "units", en="convert units", zh="换算单位")
def convert_a_value(draw: Draw) -> Goal:
    source, target = _pair(draw)
    value = draw.number(2, 500)
    made = call("convert_unit", value=value, from_unit=source, to_unit=target)
    return Goal(
        [
            Request(
                asked=wording(
                    ("convert {value} {source}[ to {target}]", "tell me what {value} {source} is[ in {target}]"),
                    ("把 {value} {source} 换算[成 {target}]", "算一下 {value} {source} 是多少[ {target}]"),
                ),
                values={"value": value, "source": source, "target": target},
                steps=[[made]],
                told=wording(
                    ("{value} {source} is {result} {target}.",), ("{value} {source} 等于 {result} {target}。",)
                ),
                results={"result": made["value"]},
                answers=(made["value"],),
                omissible={"target": Omissible("the unit to convert into", "目标单位")},
            )
        ]
    )


@scenario("parallel", "units", en="convert units", zh="换算单位")
def convert_several_values(draw: Draw) -> Goal:
    source, target = _pair(draw)
    values = draw.some(range(2, 400), draw.one((2, 3)))
    calls = [call("convert_unit", value=value, from_unit=source, to_unit=target) for value in values]
    return Goal(
        [
            Request(
                asked=wording(
                    ("convert {values} {source} to {target}, one by one", "What are {values} {source} in {target}?"),
                    ("把 {values} {source} 分别换算成 {target}", "{values} {source} 分别是多少 {target}？"),
                ),
                values={"values": values, "source": source, "target": target},
                steps=[calls],
                told=wording(("In {target} that is {results}.",), ("换算成 {target} 分别是 {results}。",)),
                results={"results": [made["value"] for made in calls]},
                answers=[made["value"] for made in calls],
            )
        ]
    )


@scenario("single", "text_statistics", en="count texts", zh="统计文本")
def words_of_a_text(draw: Draw) -> Goal:
    text = draw.worded(draw.one(TEXTS))
    made = call("count_text", text=text)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'count the characters and words[ of "{text}"]',
                        'How many characters and words has this text: "{text}"?',
                    ),
                    ("数一下字符数和词数[：“{text}”]", "这段文字有多少个字符和词：“{text}”？"),
                ),
                values={"text": text},
                steps=[[made]],
                told=wording(
                    ("It has {characters} characters and {words} words.",), ("共 {characters} 个字符，{words} 个词。",)
                ),
                results={"characters": made["characters"], "words": made["words"]},
                answers=(made["characters"], made["words"]),
                omissible={"text": Omissible("the text", "文本")},
            )
        ]
    )


@scenario("multi_step", "search", en="look things up in an encyclopaedia")
def read_about_something(draw: Draw) -> Goal:
    article = draw.one(facts("encyclopaedia"))
    found = call("search_encyclopaedia", query=article["title"])
    read = call("read_article", article_id=found["articles"].where(title=article["title"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "look {title} up in the encyclopaedia and read the article to me",
                        "What does the encyclopaedia say about {title}?",
                    ),
                    (),
                ),
                values={"title": article["title"]},
                steps=[[found], [read]],
                told=wording(("{text}", "The article says: {text}"), ()),
                results={"text": read["text"]},
                answers=(read["text"],),
            )
        ]
    )


@scenario("multi_step", "search", "notes", en="look things up in an encyclopaedia", zh="查百科", like=("files",))
def keep_what_was_read(draw: Draw) -> Goal:
    article = draw.one(facts("encyclopaedia"))
    state = draw.states["notes"]
    found = call("search_encyclopaedia", query=article["title"])
    read = call("read_article", article_id=found["articles"].where(title=article["title"])["id"])
    made = call("create_note", title=article["title"], text=read["text"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "save the encyclopaedia's article on {title} as a note",
                        "find {title} in the encyclopaedia and keep it as a note",
                    ),
                    ("把百科里关于 {title} 的文章存成笔记", "查百科 {title}，并把内容记到笔记里"),
                ),
                values={"title": article["title"]},
                steps=[[found], [read], [made]],
                told=wording(
                    ("The article on {title} is saved as {id}.",), ("关于 {title} 的文章已保存为笔记 {id}。",)
                ),
                results={"id": made["id"]},
            )
        ],
        {
            f"notes/notes/{len(state['notes'])}": {"title": article["title"], "text": article["text"]},
            "notes/next_id": ANY,
        },
    )


@scenario("multi_turn", "search", en="look things up in an encyclopaedia")
def browse_and_read(draw: Draw) -> Goal:
    article = draw.one(facts("encyclopaedia"))
    listed = call("list_articles", topic=article["topic"])
    read = call("read_article", article_id=listed["articles"].where(title=article["title"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "list the encyclopaedia's articles on {topic}",
                        "Which articles on {topic} does the encyclopaedia have?",
                    ),
                    (),
                ),
                values={"topic": article["topic"]},
                steps=[[listed]],
                told=wording(("There are articles on: {titles}.",), ()),
                results={"titles": each(listed["articles"], "{title}")},
            ),
            Request(
                asked=wording(("read me the one on {title}", "open {title}"), ()),
                values={"title": article["title"]},
                steps=[[read]],
                told=wording(("{title}: {text}",), ()),
                results={"text": read["text"]},
                answers=(read["text"],),
            ),
        ]
    )
