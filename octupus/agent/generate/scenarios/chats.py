"""What people want of their chats."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.wording import each, wording

LINES = (
    ("I'll be ten minutes late.", "我会晚到十分钟。"),
    ("Shall I bring a cake?", "要我带个蛋糕吗？"),
    ("The door code has changed.", "门禁密码换了。"),
    ("Good luck tomorrow!", "祝你明天顺利！"),
    ("Where shall we meet?", "我们在哪里见面？"),
)


@scenario("multi_step", "messages", en="send chat messages", zh="发送聊天消息", like=("mail",))
def message_to_a_chat(draw: Draw) -> Goal:
    state = draw.states["messages"]
    chat = draw.one(state["chats"])
    text = draw.worded(draw.one(LINES))
    chats = call("list_chats")
    sent = call("send_chat_message", chat_id=chats["chats"].where(name=chat["name"])["id"], text=text)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'write "{text}" in the chat {name}',
                        'send[ "{text}"] to the chat called {name}',
                        'tell the chat {name}: "{text}"',
                    ),
                    ("在聊天 {name} 里说“{text}”", "往聊天 {name} 发消息[“{text}”]"),
                ),
                values={"text": text, "name": chat["name"]},
                steps=[[chats], [sent]],
                told=wording(
                    ("The message is in the chat {name}.", 'I wrote "{text}" to {name}.'),
                    ("已在 {name} 发送“{text}”。",),
                ),
                omissible={"text": Omissible("the text of the message", "消息内容")},
            )
        ],
        {f"messages/messages/{len(state['messages'])}": {"chat_id": chat["id"], "text": text}, "messages/next_id": ANY},
    )


@scenario("multi_turn", "messages", en="look into your chats", zh="查看您的聊天", like=("mail",))
def read_a_chat_and_mute_it(draw: Draw) -> Goal:
    state = draw.states["messages"]
    with_messages = {message["chat_id"] for message in state["messages"]}
    chat = draw.one([each for each in state["chats"] if each["id"] in with_messages])
    chats = call("list_chats")
    chosen = chats["chats"].where(name=chat["name"])["id"]
    read, muted = call("read_chat", chat_id=chosen), call("mute_chat", chat_id=chosen)
    return Goal(
        [
            Request(
                asked=wording(
                    ("read me the latest messages of the chat {name}", "What is new in the chat {name}?"),
                    ("读一下聊天 {name} 的最新消息", "聊天 {name} 里有什么新消息？"),
                ),
                values={"name": chat["name"]},
                steps=[[chats], [read]],
                told=wording(("In {name}: {lines}",), ("{name} 的消息：{lines}",)),
                results={"lines": each(read["messages"], '{sender} said "{text}"', "{sender}说“{text}”")},
            ),
            Request(
                asked=wording(("mute this chat", "turn its sounds off"), ("把这个聊天静音", "关掉它的提示音")),
                steps=[[muted]],
                told=wording(("The chat {name} is muted.",), ("聊天 {name} 已静音。",)),
                results={"name": muted["name"]},
            ),
        ],
        {f"messages/chats/{state['chats'].index(chat)}/muted": True},
    )
