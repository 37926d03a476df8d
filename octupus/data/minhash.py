"""Sketches of texts, whose equal parts tell which texts are nearly the same.

A text is the set of its shingles: runs of five successive tokens. How alike two texts are is the Jaccard index of
their sets. Of each of many random orders of all shingles a sketch keeps the smallest in the text; two texts agree
there with a probability equal to their Jaccard index (A. Z. Broder, On the resemblance and containment of documents,
1997). Sketches are cut into `bands` of `rows` each, and texts that agree in a whole band are candidates: with
probability 1 - (1 - J^rows)^bands, the S-curve of locality-sensitive hashing (P. Indyk and R. Motwani, 1998; J.
Leskovec, A. Rajaraman and J. Ullman, Mining of Massive Datasets, 3.4.2). The default 18 bands of 7 rows:

    J            0.3     0.4     0.5     0.6     0.7     0.8     0.85    0.9
    candidate    0.004   0.029   0.132   0.400   0.787   0.986   0.999   1.000

It is made for a threshold of 0.8 on verified candidates: a false candidate costs a comparison, a missed one stays in
the corpus, so the curve stands left of the threshold. Of the alternatives of as many permutations, 16 x 8 misses one
pair in 19 at 0.8; 20 x 6 misses one in 430, and makes twice as many candidates at 0.5.

Tokens: text is put in Unicode's NFKC form and lower-cased. Characters of scripts that put no spaces between words
(Han, kana, Bopomofo) are a token each, every other run of letters and digits is one; `_` and punctuation separate.
So spaced text has word 5-grams, Chinese character 5-grams, and mixed text both.

Short texts: a changed word in mid-text changes 5 shingles, so two texts of n tokens that differ in k words far from
each other have J = (n - 4 - 5k) / (n - 4 + 5k), which reaches 0.8 from n = 45k + 4 tokens on. A template filled in
twice is no near duplicate unless 45 words are equal for each one that differs. Texts of fewer than five tokens have
no shingle and no candidate: of these only exact duplicates are found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain

import numpy as np
import numpy.typing as npt

from octupus.conversation import Conversation

Hashes = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]

SHINGLE = 5
EMPTY_BAND = np.uint64(2**64 - 1)
"""Every band of a text without shingles. It equals nothing, itself included; no other text has such a band."""

# Han with its marks and extensions, kana, Bopomofo. Their punctuation is not in it.
_UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_EMPTY_ROW = np.uint32(2**32 - 1)
_SHINGLES_AT_ONCE = 4096  # bounds the memory for a book of a text
_TEXTS_AT_ONCE = 64
_TOKENS_REMEMBERED = 2**16
_TEXTS_REMEMBERED = 4096


def conversation_text(conversation: Conversation) -> str:
    """What makes a conversation its own: people's and the assistant's text, and the calls with their arguments.

    System text, tool definitions and tool results stay out. Where a corpus has one set of tools they are most of the
    text: with them 8449 of the 9180 pairs of different airline conversations in tau-bench reach 0.3 and 32 reach 0.7,
    without them 5 and none. Where every row brings its own tools they hide what repeats: of glaive's 364 different
    demo conversations 7 pairs reach 0.8 without them, one with them.
    """
    return "\n".join(_parts(conversation))


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order; the module says what a token is."""
    if text.isascii():  # says the same, five times as fast
        return text.translate(_ASCII).split()
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def shingle_hashes(words: Sequence[str], size: int) -> Hashes:
    """uint64[len(words) - size + 1]: a hash of each run of `size` successive tokens, in order; empty when too few.

    The same in every process and on every machine.
    """
    if len(words) < size:
        return np.empty(0, np.uint64)
    # A polynomial in the tokens' hashes: all runs are hashed at once, and the order of tokens counts.
    hashes = np.fromiter(map(_token_hashes.__getitem__, words), np.uint64, len(words))
    count = len(words) - size + 1
    combined = hashes[:count].copy()
    for offset in range(1, size):
        combined *= _MULTIPLIER
        combined += hashes[offset : offset + count]
    return mixed(combined)


def mixed(values: Hashes) -> Hashes:
    """The values scrambled one to one, so that every bit depends on all: the finaliser of splitmix64 (S. Vigna)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class MinHasher:
    """Makes signatures and bands. Two with the same parameters make the same, in whatever process."""

    def __init__(self, bands: int = 18, rows: int = 7, shingle: int = SHINGLE, seed: int = 0) -> None:
        if min(bands, rows, shingle) < 1:
            raise ValueError(f"bands, rows and shingle must be at least 1, not {bands}, {rows} and {shingle}")
        self.band_count = bands
        self.rows = rows
        self.shingle = shingle
        self.permutations = bands * rows
        # PCG64's stream of raw bits is fixed by numpy's compatibility policy; what `integers` makes of it is not.
        draw = np.random.PCG64(seed).random_raw
        # x -> factor * x + offset modulo 2^32 with an odd factor is a permutation of all 32-bit hashes.
        self._factors = draw(self.permutations).astype(np.uint32) | np.uint32(1)
        self._offsets = draw(self.permutations).astype(np.uint32)
        self._band_factors = draw(self.permutations).reshape(bands, rows) | np.uint64(1)

    def signature(self, text: str) -> Signatures:
        """uint32[permutations]: the smallest shingle in each order; all 2^32 - 1 for a text without shingles."""
        signature: Signatures = self.signatures([text])[0]
        return signature

    def signatures(self, texts: Sequence[str]) -> Signatures:
        """uint32[len(texts), permutations]; in less time than one by one."""
        signatures = np.full((len(texts), self.permutations), _EMPTY_ROW)
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            words = [tokens(text) for text in texts[first : first + _TEXTS_AT_ONCE]]
            # Hashed together, since numpy's calls cost more than the work on one text.
            shingles = shingle_hashes(list(chain.from_iterable(words)), self.shingle).astype(np.uint32)
            start = 0
            for number, each in enumerate(words, start=first):
                # Shingles that run over into the next text are left out.
                end = start + max(0, len(each) - self.shingle + 1)
                self._lower(signatures[number], shingles[start:end])
                start += len(each)
        return signatures

    def _lower(self, signature: Signatures, shingles: Signatures) -> None:
        """Take these shingles into the signature, in place."""
        for start in range(0, len(shingles), _SHINGLES_AT_ONCE):
            permuted = np.multiply.outer(shingles[start : start + _SHINGLES_AT_ONCE], self._factors)
            permuted += self._offsets
            np.minimum(signature, permuted.min(axis=0), out=signature)

    def bands(self, signatures: Signatures) -> Hashes:
        """uint64[..., bands] of uint32[..., permutations]: a hash of each band's rows.

        EMPTY_BAND throughout for a text without shingles.
        """
        rows = signatures.reshape(*signatures.shape[:-1], self.band_count, self.rows)
        hashes = mixed((rows * self._band_factors).sum(axis=-1, dtype=np.uint64))
        hashes[hashes == EMPTY_BAND] = 0  # a text with shingles never looks like one without
        hashes[(signatures == _EMPTY_ROW).all(axis=-1)] = EMPTY_BAND
        return hashes


def estimated_similarity(
    signatures: Signatures | npt.NDArray[np.uint8],
) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]:
    """Of pairs int64[m, 2] of rows of `signatures` [n, permutations]: the Jaccard indices the signatures estimate.

    The standard deviation at J is sqrt(J (1 - J) / permutations): 0.036 at 0.8. The lowest byte of each entry
    (`signatures.astype(numpy.uint8)`) takes a quarter of the memory; two then agree by chance once in 256, which is
    taken out again (P. Li and A. C. König, b-Bit Minwise Hashing, 2010). Texts without shingles are like no other.
    """
    chance = 1 / 256 if signatures.dtype == np.uint8 else 0.0
    empty = (signatures == np.iinfo(signatures.dtype).max).all(axis=-1)

    def similarity(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        agreeing = (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).mean(axis=1)
        estimates: npt.NDArray[np.float64] = np.maximum((agreeing - chance) / (1 - chance), 0.0)
        estimates[empty[pairs].any(axis=1)] = 0.0
        return estimates

    return similarity


def text_similarity(
    text: Callable[[int], str], shingle: int = SHINGLE
) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]:
    """Of pairs int64[m, 2] of positions, whose texts `text` gives: their Jaccard indices, without sketches.

    The shingles of the last texts are remembered. Texts without shingles are like no other.
    """

    @lru_cache(_TEXTS_REMEMBERED)
    def shingles(position: int) -> Hashes:
        return np.unique(shingle_hashes(tokens(text(position)), shingle))

    def similarity(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.array([jaccard(shingles(left), shingles(right)) for left, right in pairs.tolist()], np.float64)

    return similarity


def jaccard(left: Hashes, right: Hashes) -> float:
    """The share of common members of two sets, each given as an array without repetitions; 0 of two empty ones."""
    together = np.concatenate([left, right])
    together.sort()
    common = int(np.count_nonzero(together[1:] == together[:-1]))
    return common / (len(together) - common) if common else 0.0


class _TokenHashes(dict[str, int]):
    """64-bit hashes by token, worked out at the first use. Forgets all when full, which costs less than order."""

    def __missing__(self, token: str) -> int:
        if len(self) >= _TOKENS_REMEMBERED:
            self.clear()
        value = self[token] = int.from_bytes(blake2b(token.encode("utf-8"), digest_size=8).digest(), "little")
        return value


_token_hashes = _TokenHashes()
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 divided by the golden ratio


def _parts(conversation: Conversation) -> Iterator[str]:
    for message in conversation.messages:
        if message.role in ("user", "assistant"):
            yield message.content or ""
            for call in message.tool_calls:
                yield call.function.name
                yield call.function.arguments
