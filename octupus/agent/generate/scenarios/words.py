"""What people want of the dictionary."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import facts
from octupus.agent.generate.wording import each, wording


@scenario("single", "dictionary", en="look up words")
def meaning_of_a_word(draw: Draw) -> Goal:
    word = draw.one(facts("dictionary"))["word"]
    made = call("define_word", word=word)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'look up[ "{word}"] in the dictionary',
                        'What does "{word}" mean?',
                        'give me the definition[ of "{word}"]',
                    ),
                    (),
                ),
                values={"word": word},
                steps=[[made]],
                told=wording(('"{word}" ({part}) means: {definition}.',), ()),
                results={"part": made["part_of_speech"], "definition": made["definition"]},
                answers=(made["definition"],),
                omissible={"word": Omissible("the word", "单词")},
            )
        ]
    )


@scenario("parallel", "dictionary", en="translate words", zh="翻译单词")
def several_translations(draw: Draw) -> Goal:
    words = [entry["word"] for entry in draw.some(facts("dictionary"), draw.one((2, 3, 4)))]
    calls = [call("translate_word", word=word) for word in words]
    return Goal(
        [
            Request(
                asked=wording(
                    ("translate {words} into Chinese", "What are {words} in Chinese?"),
                    ("把 {words} 翻译成中文", "{words} 用中文怎么说？"),
                ),
                values={"words": words},
                steps=[calls],
                told=wording(("In Chinese: {translations}.",), ("中文分别是：{translations}。",)),
                results={
                    "translations": each(
                        [made.result for made in calls], "{word} – {translation}", "{word}：{translation}"
                    )
                },
                answers=[made["translation"] for made in calls],
            )
        ]
    )


@scenario("multi_turn", "dictionary", en="look up words", zh="查词典")
def word_and_then_another(draw: Draw) -> Goal:
    entry = draw.one([each for each in facts("dictionary") if each["synonyms"]])
    synonyms, translated = call("find_synonyms", word=entry["word"]), call("translate_word", word=entry["word"])
    return Goal(
        [
            Request(
                asked=wording(
                    ('find words that mean the same as "{word}"', 'What are synonyms of "{word}"?'),
                    ("找一些“{word}”的近义词", "“{word}”有哪些近义词？"),
                ),
                values={"word": entry["word"]},
                steps=[[synonyms]],
                told=wording(("Synonyms of {word}: {synonyms}.",), ("{word} 的近义词有：{synonyms}。",)),
                results={"synonyms": synonyms["synonyms"]},
            ),
            Request(
                asked=wording(
                    ("And what is it in Chinese?", "How does one say the word itself in Chinese?"),
                    ("那这个词用中文怎么说？", "这个词的中文是什么？"),
                ),
                steps=[[translated]],
                told=wording(("In Chinese it is {translation}.",), ("中文是“{translation}”。",)),
                results={"translation": translated["translation"]},
                answers=(translated["translation"],),
            ),
        ]
    )
