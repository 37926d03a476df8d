"""Explanations of served turns."""

import json

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.spec import TurnSpec
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.serve.engine.sampling import Sampling
from octupus.serve.ingress.admission import Admitted
from octupus.serve.ingress.explanation import explanation_of


def test_an_answer_is_explained_as_plain_json(tokenizer: ChatTokenizer) -> None:
    factory = TurnFactory(TokenVocabulary(tokenizer), OCTUPUS.layout(tokenizer))
    admitted = Admitted([1, 2], Sampling(max_tokens=8), factory.compile(TurnSpec(max_tokens=8)), ())
    content, call = tokenizer.control_id("<|CONTENT|>"), tokenizer.control_id("<|FUNCTION_CALL|>")
    ids = [content, *tokenizer.encode("get"), tokenizer.end_id]
    scores: list[dict[int, float]] = [{call: -0.5, content: -1.0}] + [{} for _ in ids[1:]]
    explanation = explanation_of(admitted, ids, scores)
    assert json.loads(json.dumps(explanation))["steps"][0]["preferred"][0]["text"] == "<|FUNCTION_CALL|>"
    assert explanation["most_removed"] == (0,)
    assert [step["removed"] for step in explanation["steps"][1:]] == [None] * (len(ids) - 1)
