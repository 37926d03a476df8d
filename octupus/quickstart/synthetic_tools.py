"""The tools of the synthetic corpora: what each takes, and how people ask for it in English and in Chinese.

A request template holds `{parameter}` places; a part in square brackets is left out half of the time, and
with it the optional arguments named there. Some names are prefixes of others (`play`, `play_music`) on
purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["TOOLS", "TOOLS_BY_NAME", "Parameter", "ToolSpec", "ValueKind"]

ValueKind = Literal[
    "city",
    "person",
    "topic",
    "food",
    "ticker",
    "date",
    "phone",
    "integer",
    "number",
    "boolean",
    "enum",
    "persons",
    "foods",
]

JSON_TYPES: dict[str, str] = {"integer": "integer", "number": "number", "boolean": "boolean"}
LIST_KINDS = ("persons", "foods")


@dataclass(frozen=True)
class Parameter:
    """One argument of a tool: its name, what its values are, and whether the schema requires it."""

    name: str
    kind: ValueKind
    required: bool = True
    choices: tuple[str, ...] = ()
    """The words of an enum."""
    phrases: tuple[tuple[str, str], tuple[str, str]] = (("", ""), ("", ""))
    """For a boolean: what is said for true and for false, in English and in Chinese."""
    high: int = 30
    """The largest integer drawn."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of one value."""
        if self.kind == "enum":
            return {"type": "string", "enum": list(self.choices)}
        if self.kind in LIST_KINDS:
            return {"type": "array", "items": {"type": "string"}}
        return {"type": JSON_TYPES.get(self.kind, "string")}


@dataclass(frozen=True)
class ToolSpec:
    """One tool: name, short descriptions, parameters, request templates, and what its result says."""

    name: str
    descriptions: dict[str, str]
    parameters: tuple[Parameter, ...]
    requests: dict[str, tuple[str, ...]]
    result: tuple[str, str, ValueKind] = ("", "", "integer")
    """Key of the result, its Chinese word, and what its values are; an empty key means `{"ok": true}`."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return {
            "type": "object",
            "properties": {parameter.name: parameter.schema() for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters if parameter.required],
            "additionalProperties": False,
        }

    def wrapped(self, language: str) -> dict[str, Any]:
        """The tool in OpenAI's shape, described in `language`."""
        function = {
            "name": self.name,
            "description": self.descriptions[language],
            "parameters": self.schema(),
        }
        return {"type": "function", "function": function}


def _tool(
    name: str,
    english: str,
    chinese: str,
    parameters: tuple[Parameter, ...],
    english_requests: tuple[str, ...],
    chinese_requests: tuple[str, ...],
    result: tuple[str, str, ValueKind] = ("", "", "integer"),
) -> ToolSpec:
    descriptions = {"en": english, "zh": chinese}
    return ToolSpec(name, descriptions, parameters, {"en": english_requests, "zh": chinese_requests}, result)


def _enum(name: str, choices: str, required: bool = True) -> Parameter:
    return Parameter(name, "enum", required, tuple(choices.split()))


def _switch(name: str, english: tuple[str, str], chinese: tuple[str, str], required: bool = False) -> Parameter:
    return Parameter(name, "boolean", required, phrases=(english, chinese))


_CITY = Parameter("city", "city")
_ORIGIN = Parameter("origin", "city")
_DESTINATION = Parameter("destination", "city")
_DATE = Parameter("date", "date")
_PERSON = Parameter("person", "person")
_TO = Parameter("to", "person")
_TOPIC = Parameter("topic", "topic")
_ROOM = _enum("room", "kitchen bedroom garage office")

TOOLS: tuple[ToolSpec, ...] = (
    _tool(
        "get_weather",
        "Current weather",
        "当前天气",
        (_CITY, _enum("unit", "celsius fahrenheit", False)),
        ("What is the weather in {city}[ in {unit}]?", "Weather in {city}[, in {unit}], please."),
        ("{city}天气怎么样[，用 {unit}]？", "查{city}的天气[，用 {unit}]。"),
        ("temperature", "温度", "integer"),
    ),
    _tool(
        "get_weather_forecast",
        "Weather forecast",
        "天气预报",
        (_CITY, Parameter("days", "integer", high=14)),
        ("Forecast for {city}, {days} days.", "Show the {days} day forecast for {city}."),
        ("{city}未来 {days} 天的预报。", "看 {days} 天预报，{city}。"),
    ),
    _tool(
        "get_weather_alerts",
        "Storm alerts",
        "风暴预警",
        (_CITY,),
        ("Any storm alerts in {city}?", "Are there alerts for {city}?"),
        ("{city}有预警吗？", "查{city}的风暴预警。"),
        ("alerts", "预警", "integer"),
    ),
    _tool(
        "get_time",
        "Current time",
        "当前时间",
        (_CITY,),
        ("What time is it in {city}?", "Tell me the time in {city}."),
        ("{city}现在几点？", "{city}的时间。"),
        ("hour", "小时", "integer"),
    ),
    _tool(
        "search",
        "Search the web",
        "网上搜索",
        (_TOPIC,),
        ("Search the web for {topic}.", "Search for {topic}."),
        ("搜索{topic}。", "上网搜{topic}。"),
    ),
    _tool(
        "search_flights",
        "Find flights",
        "查航班",
        (_ORIGIN, _DESTINATION, _DATE),
        (
            "Flights from {origin} to {destination} on {date}.",
            "Fly from {origin} to {destination} on {date}.",
        ),
        ("{date} 从{origin}到{destination}的航班。", "查航班，{origin}到{destination}，{date}。"),
        ("price", "价格", "integer"),
    ),
    _tool(
        "search_hotels",
        "Find hotels",
        "查酒店",
        (_CITY, Parameter("nights", "integer", high=14), Parameter("stars", "integer", False, high=5)),
        (
            "Hotels in {city} for {nights} nights[, {stars} stars].",
            "A hotel in {city}, {nights} nights[, {stars} stars].",
        ),
        ("{city}酒店，{nights} 晚[，{stars} 星]。", "在{city}住 {nights} 晚酒店[，{stars} 星]。"),
        ("price", "价格", "integer"),
    ),
    _tool(
        "book_table",
        "Book a restaurant",
        "订餐厅",
        (_CITY, Parameter("seats", "integer", high=9)),
        ("Book a table for {seats} in {city}.", "A restaurant in {city} for {seats}."),
        ("在{city}订 {seats} 人餐厅。", "订餐厅，{city}，{seats} 人。"),
    ),
    _tool(
        "book_taxi",
        "Book a taxi",
        "叫出租车",
        (_ORIGIN, _DESTINATION),
        ("Taxi from {origin} to {destination}.", "Book a taxi from {origin} to {destination}."),
        ("叫车从{origin}到{destination}。", "出租车，{origin}到{destination}。"),
        ("price", "价格", "integer"),
    ),
    _tool(
        "send_mail",
        "Send a mail",
        "发邮件",
        (_TO, _TOPIC),
        ("Mail {to} about {topic}.", "Send a mail to {to} about {topic}."),
        ("给{to}发邮件，谈{topic}。", "发邮件给{to}，关于{topic}。"),
    ),
    _tool(
        "send_message",
        "Send a message",
        "发短信",
        (_TO, _TOPIC, _switch("urgent", ("urgent", "not urgent"), ("紧急", "不急"))),
        ("Message {to} about {topic}[, {urgent}].", "Text {to}: {topic}[, {urgent}]."),
        ("给{to}发短信：{topic}[，{urgent}]。", "短信{to}，{topic}[，{urgent}]。"),
    ),
    _tool(
        "call",
        "Phone a person",
        "打电话",
        (_PERSON,),
        ("Call {person}.", "Phone {person}, please."),
        ("打电话给{person}。", "给{person}打电话。"),
    ),
    _tool(
        "add_contact",
        "Save a phone number",
        "保存号码",
        (_PERSON, Parameter("phone", "phone")),
        ("Save the number of {person}: {phone}.", "New contact {person}, {phone}."),
        ("保存{person}的号码 {phone}。", "新号码：{person}，{phone}。"),
    ),
    _tool(
        "invite",
        "Invite people",
        "邀请",
        (Parameter("guests", "persons"), _TOPIC),
        ("Invite {guests} to talk about {topic}.", "Invite {guests} for {topic}."),
        ("邀请{guests}谈{topic}。", "请邀请{guests}，{topic}。"),
    ),
    _tool(
        "set_alarm",
        "Set an alarm",
        "设闹钟",
        (
            Parameter("hour", "integer", high=23),
            _switch("daily", ("every day", "only once"), ("每天", "一次")),
        ),
        ("Alarm at {hour}[, {daily}].", "Wake me at {hour}[, {daily}]."),
        ("设 {hour} 点闹钟[，{daily}]。", "{hour} 点叫我[，{daily}]。"),
    ),
    _tool(
        "list_alarms",
        "List all alarms",
        "列出闹钟",
        (),
        ("Which alarms are set?", "List my alarms."),
        ("有哪些闹钟？", "列出闹钟。"),
        ("alarms", "闹钟", "integer"),
    ),
    _tool(
        "set_timer",
        "Start a timer",
        "计时器",
        (Parameter("minutes", "integer", high=90),),
        ("Timer for {minutes} minutes.", "Start a {minutes} minute timer."),
        ("计时 {minutes} 分。", "{minutes} 分计时器。"),
    ),
    _tool(
        "set_light",
        "Set a light",
        "调灯",
        (_ROOM, Parameter("level", "integer", high=99)),
        ("Light in the {room} to {level}.", "Set the {room} light to {level}."),
        ("{room} 的灯调到 {level}。", "把 {room} 灯设为 {level}。"),
    ),
    _tool(
        "set_temperature",
        "Set the heating",
        "调暖气",
        (_ROOM, Parameter("degrees", "number", high=29)),
        ("Heat the {room} to {degrees} degrees.", "Set heating in the {room} to {degrees}."),
        ("{room} 暖气调到 {degrees} 度。", "把 {room} 暖气设为 {degrees}。"),
    ),
    _tool(
        "play",
        "Play a film",
        "放电影",
        (Parameter("title", "topic"),),
        ("Play the film {title}.", "Show the film {title}."),
        ("放电影{title}。", "看电影{title}。"),
    ),
    _tool(
        "play_music",
        "Play songs",
        "放歌",
        (Parameter("artist", "person"), _switch("shuffle", ("shuffled", "in order"), ("随机", "顺序"))),
        ("Play songs by {artist}[, {shuffle}].", "Songs by {artist}, please[, {shuffle}]."),
        ("放{artist}的歌[，{shuffle}]。", "听{artist}的歌[，{shuffle}]。"),
    ),
    _tool(
        "add_numbers",
        "Add two numbers",
        "加法",
        (Parameter("a", "integer", high=99), Parameter("b", "integer", high=99)),
        ("Add {a} and {b}.", "What is {a} plus {b}?"),
        ("{a} 加 {b} 等于多少？", "算 {a} 加 {b}。"),
        ("sum", "和", "integer"),
    ),
    _tool(
        "translate",
        "Translate a word",
        "翻译",
        (Parameter("word", "topic"), _enum("language", "French German Spanish")),
        ("Translate {word} to {language}.", "What is {word} in {language}?"),
        ("把{word}翻译成 {language}。", "翻译{word}，{language}。"),
    ),
    _tool(
        "get_stock",
        "Stock price",
        "股价",
        (Parameter("symbol", "ticker"),),
        ("Stock price of {symbol}?", "How is the stock {symbol}?"),
        ("{symbol} 股价多少？", "查 {symbol} 股价。"),
        ("price", "价格", "number"),
    ),
    _tool(
        "get_news",
        "Latest news",
        "最新新闻",
        (_TOPIC, Parameter("count", "integer", False, high=9)),
        ("News about {topic}[, {count} items].", "Show news on {topic}[, {count} items]."),
        ("{topic}新闻[，{count} 条]。", "看{topic}的新闻[，{count} 条]。"),
    ),
    _tool(
        "get_population",
        "Population of a city",
        "城市人口",
        (_CITY,),
        ("How many people live in {city}?", "Population of {city}?"),
        ("{city}有多少人口？", "{city}的人口。"),
        ("population", "人口", "integer"),
    ),
    _tool(
        "get_distance",
        "Distance between cities",
        "城市距离",
        (_ORIGIN, _DESTINATION, _enum("unit", "km miles", False)),
        (
            "How far is {destination} from {origin}[, in {unit}]?",
            "Distance from {origin} to {destination}[ in {unit}]?",
        ),
        ("{origin}离{destination}多远[，用 {unit}]？", "{origin}到{destination}的距离[，用 {unit}]。"),
        ("distance", "距离", "integer"),
    ),
    _tool(
        "add_to_list",
        "Add to shopping list",
        "购物单",
        (Parameter("goods", "foods"),),
        ("Put {goods} on the shopping list.", "Shopping list: {goods}."),
        ("购物单加{goods}。", "要买{goods}。"),
    ),
    _tool(
        "remind",
        "Remind a person",
        "提醒",
        (_PERSON, _TOPIC, Parameter("date", "date", False)),
        ("Remind {person} of {topic}[ on {date}].", "Send {person} a reminder: {topic}[ on {date}]."),
        ("提醒{person}：{topic}[，{date}]。", "提醒{person}关于{topic}[，{date}]。"),
    ),
    _tool(
        "pay",
        "Pay money",
        "付钱",
        (_TO, Parameter("amount", "number", high=99)),
        ("Pay {to} {amount} euros.", "Pay {amount} to {to}."),
        ("付给{to} {amount} 元。", "给{to}付 {amount} 元。"),
    ),
    _tool(
        "find_person",
        "Find where a person is",
        "找人",
        (_PERSON, Parameter("city", "city", False)),
        ("Find {person}[ in {city}].", "Where is {person}[, in {city}]?"),
        ("找{person}[，在{city}]。", "{person}在哪里[，{city}]？"),
        ("room", "房间", "integer"),
    ),
    _tool(
        "get_menu",
        "Menu of the day",
        "今日菜单",
        (_DATE,),
        ("What is on the menu on {date}?", "Menu for {date}."),
        ("{date} 的菜单。", "{date} 吃什么？"),
        ("dish", "菜", "food"),
    ),
)
"""The catalogue."""

TOOLS_BY_NAME: dict[str, ToolSpec] = {tool.name: tool for tool in TOOLS}
"""The catalogue by name."""
