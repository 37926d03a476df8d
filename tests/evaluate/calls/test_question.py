import json

from octupus.evaluate.calls.question import questions_of

from .conversations import bank, no_call, weather


def test_first_asks_the_first_turn_with_calls_and_all_every_one() -> None:
    conversation = bank()
    first = questions_of(conversation, "first")
    every = questions_of(conversation, "all")
    assert [question.key for question in first] == [(conversation.id, 1)]
    assert [question.key for question in every] == [(conversation.id, position) for position in (1, 3, 7)]
    assert every[0] == first[0]
    assert [question.request.expected_calls for question in every] == [
        (("deposit", {"amount": 5}),),
        (("balance", {}),),
        (("deposit", {"amount": 2}),),
    ]


def test_before_a_turn_stand_the_messages_of_the_corpus() -> None:
    conversation = bank()
    request = questions_of(conversation, "all")[2].request
    assert request.messages == [message.to_openai() for message in conversation.messages[:7]]
    assert json.loads(request.messages[1]["tool_calls"][0]["function"]["arguments"]) == {"amount": 5}


def test_where_nothing_is_called_the_last_answer_is_asked() -> None:
    (question,) = questions_of(no_call("Tell me a joke."), "all")
    assert question.request.expected_calls == ()
    assert question.key[1] == 1


def test_turns_that_are_not_trained_are_not_asked() -> None:
    conversation = bank().model_copy(update={"loss": (False,) * 3 + (True,) + (False,) * 6})
    assert [question.key[1] for question in questions_of(conversation, "all")] == [3]
    masked = weather("Rome").model_copy(update={"loss": (False,) * 4})
    assert questions_of(masked, "first") == []
