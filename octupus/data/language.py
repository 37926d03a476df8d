"""The language of a conversation: by the script of its letters, for Latin letters by stop words.

Read is what the user and the assistant wrote, without code blocks; system prompts are often English whatever the
dialogue is, and tool results are data.

1. A script other than Latin decides when a third or more of the letters are not Latin: code, names and English terms
   stand in texts of every language, and such scripts need fewer letters for the same words. The script with the most
   letters names the language, so `ru` stands for all Cyrillic, `ar` for all Arabic script and `hi` for Devanagari.
   Chinese characters with a fifth or more of kana among them are Japanese.
2. Otherwise the language with the most stop words among the words, if they make up a twentieth. A language other than
   English needs more of them than English, and two different ones: a title like "Die Hard" is no German.
3. What is left has words of no sentence. Short text is `en`, since "Play jazz" has no stop words. Long text is of the
   script that a tenth or more of its letters are of, say a Chinese table of English names. Else it is `und`: image
   prompts, lists of keywords, and languages that have no list here. Long is eight words where a character is beyond
   ASCII, and 24 words where none is, so that English lists of names stay `en`.

Without any letter the answer is `und`, too.
"""

from __future__ import annotations

import re
from collections import Counter

from octupus.conversation import Conversation

UNDETERMINED = "und"

_CODE_BLOCK = re.compile("```.*?(?:```|\\Z)", re.DOTALL)
_LATIN_1 = re.compile("[\x00-\u024f\u1e00-\u1eff]+")
_PUNCTUATION = re.compile("[\u2000-\u206f\u3000-\u3004\u3008-\u303f\uff00-\uff20]+")
_NO_LETTER = re.compile(r"[\W\d_]+")
_NO_LATIN_LETTER_BYTES = bytes(byte for byte in range(256) if not chr(byte).isalpha())
_SCRIPTS = {
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005-\u3007\U00020000-\U0003ffff]+"),
    "ja": re.compile("[\u3040-\u30ff\uff66-\uff9f]+"),
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+"),
    "ru": re.compile("[\u0400-\u052f]+"),
    "ar": re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]+"),
    "hi": re.compile("[\u0900-\u097f]+"),
    "th": re.compile("[\u0e00-\u0e7f]+"),
    "el": re.compile("[\u0370-\u03ff\u1f00-\u1fff]+"),
    "he": re.compile("[\u0590-\u05ff]+"),
    "bn": re.compile("[\u0980-\u09ff]+"),
    "ta": re.compile("[\u0b80-\u0bff]+"),
    "te": re.compile("[\u0c00-\u0c7f]+"),
    "ka": re.compile("[\u10a0-\u10ff]+"),
    "hy": re.compile("[\u0530-\u058f]+"),
}
_STOP_WORDS = {
    "en": "the of and to in is that for it you with on be are this have can i my what how your as at by not an or from "
    "please me do will here there which they their would but has was we if when a about his her its he she who "
    "i'm it's don't",
    "de": "der die das und ist ich nicht ein eine einen einem mit für auf den dem zu von sie wie es im auch als bei "
    "werden kann sind oder aus wird wir mir dass haben nach über bitte was um einer des zum zur noch mein",
    "fr": "le la les des et est une un je pour que qui dans en pas vous avec sur ce cette au aux du de mon ma sont "
    "par ou mais être avoir plus il elle nous votre comment quel quelle peux pouvez à ne se son sa "
    "c'est j'ai d'un d'une l'on qu'est-ce",
    "es": "el la los las de que y en un una es por con para no se del al lo como su mi más cómo qué puedes está son "
    "pero sus este esta tiene hay muy ser o cuál me te le",
    "pt": "o a os as de que e em um uma é por com para não se do da no na dos das como meu minha mais você pode está "
    "são mas seu sua este esta tem muito ser ou qual ao nos pelo",
    "it": "il lo la gli le di che e è un una in per con non si del della dei delle al alla come mio mia più sono "
    "puoi questo questa ma o anche nel nella da dal ho hai cosa qual vorrei ci",
}
_STOPPING = {
    word: tuple(code for code, words in _STOP_WORDS.items() if word in words.split())
    for word in " ".join(_STOP_WORDS.values()).split()
}
_LEAST_STOP_WORDS = 20
"""One stop word in so many words at least."""
_LEAST_LETTERS = 10
"""One letter of another script in so many letters at least, where no stop words speak for Latin ones."""
_LONG, _LONG_IN_ASCII = 8, 24
_WRITERS = ("user", "assistant")


def language(conversation: Conversation) -> str:
    """The ISO 639-1 code of the language, or `und`; the module says how it is found."""
    written = [message.content for message in conversation.messages if message.content and message.role in _WRITERS]
    return language_of("\n".join(written))


def language_of(text: str) -> str:
    """The language of one text, as `language` finds it."""
    if "```" in text:
        text = _CODE_BLOCK.sub(" ", text).strip() or text
    # Bytes are counted much faster than characters; the few Latin letters beyond Latin-1 do not matter here.
    latin = len(text.encode("latin-1", "ignore").translate(None, _NO_LATIN_LETTER_BYTES))
    foreign = {} if text.isascii() else _foreign_letters(_LATIN_1.sub("", text))
    letters = latin + sum(foreign.values())
    if not letters:
        return UNDETERMINED
    by_script = max(foreign, key=lambda code: foreign[code], default=UNDETERMINED)
    share = sum(foreign.values()) / letters
    if 3 * share >= 1:
        return by_script
    words = text.lower().split()
    score, by_words = _by_stop_words(words)
    if score and _LEAST_STOP_WORDS * score >= len(words):
        return by_words
    if len(words) < (_LONG_IN_ASCII if text.isascii() else _LONG):
        return "en"
    return by_script if _LEAST_LETTERS * share >= 1 else UNDETERMINED


def _foreign_letters(text: str) -> dict[str, int]:
    """How many letters are of which language, by their script; the text has no Latin ones."""
    counts: dict[str, int] = {}
    rest = _PUNCTUATION.sub("", text)
    for code, script in _SCRIPTS.items():
        if not rest:
            break
        remaining = script.sub("", rest)
        if len(remaining) < len(rest):
            counts[code] = len(rest) - len(remaining)
        rest = remaining
    others = _NO_LETTER.sub("", rest)
    if others:
        counts[UNDETERMINED] = len(others)
    chinese, kana = counts.get("zh", 0), counts.get("ja", 0)
    if chinese and 5 * kana >= chinese + kana:
        counts["ja"] += counts.pop("zh")
    return counts


def _by_stop_words(words: list[str]) -> tuple[int, str]:
    """How many stop words the language that has the most of them has, and its code."""
    scores = dict.fromkeys(_STOP_WORDS, 0)
    different = dict.fromkeys(_STOP_WORDS, 0)
    for word, count in Counter(word for word in words if word in _STOPPING).items():
        for code in _STOPPING[word]:
            scores[code] += count
            different[code] += 1
    return max(((scores[code], code) for code in scores if code == "en" or different[code] > 1), key=_score)


def _score(candidate: tuple[int, str]) -> int:
    return candidate[0]  # of equal scores the first, which is English, wins
