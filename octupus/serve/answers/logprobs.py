"""Scores of tokens as OpenAI writes them: the token's text, its bytes and its natural log probability."""

from __future__ import annotations

from collections.abc import Sequence

from openai.types.chat.chat_completion import ChoiceLogprobs
from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob, TopLogprob
from openai.types.completion_choice import Logprobs

from octupus.decoding.vocabulary import TokenVocabulary
from octupus.serve.engine.sampling import TokenScores

UNLIKELY = -9999.0
"""What OpenAI writes for a token that is out of the question; JSON has no infinity."""

ScoredToken = tuple[int, TokenScores]


class TokenTexts:
    """Texts and bytes of tokens."""

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self._bytes = vocabulary.token_bytes

    def bytes_of(self, token_id: int) -> bytes:
        """The bytes that a token stands for; none for a control token."""
        return self._bytes[token_id] if token_id < len(self._bytes) else b""

    def text_of(self, token_id: int) -> str:
        """The token's text; bytes that are no whole character become U+FFFD."""
        return self.bytes_of(token_id).decode("utf-8", "replace")


def chat_logprobs(scored: Sequence[ScoredToken], texts: TokenTexts) -> ChoiceLogprobs:
    """`logprobs` of Chat Completions."""
    content = []
    for token_id, scores in scored:
        top = [
            TopLogprob(token=texts.text_of(other), bytes=list(texts.bytes_of(other)), logprob=_finite(score))
            for other, score in scores[1:]
        ]
        content.append(
            ChatCompletionTokenLogprob(
                token=texts.text_of(token_id),
                bytes=list(texts.bytes_of(token_id)),
                logprob=_finite(scores[0][1]),
                top_logprobs=top,
            )
        )
    return ChoiceLogprobs(content=content, refusal=None)


def completion_logprobs(scored: Sequence[ScoredToken], texts: TokenTexts, offset: int) -> Logprobs:
    """`logprobs` of Completions; `offset` is where the first token's text begins, in characters."""
    offsets: list[int] = []
    for token_id, _ in scored:
        offsets.append(offset)
        offset += len(texts.text_of(token_id))
    return Logprobs(
        tokens=[texts.text_of(token_id) for token_id, _ in scored],
        token_logprobs=[_finite(scores[0][1]) for _, scores in scored],
        top_logprobs=[{texts.text_of(other): _finite(score) for other, score in scores[1:]} for _, scores in scored],
        text_offset=offsets,
    )


def _finite(score: float) -> float:
    return max(score, UNLIKELY)
