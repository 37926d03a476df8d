"""A corpus in which queries use other words than the documents that they need, so that there is something to learn."""

from __future__ import annotations

import random

from octupus.agent.retrieve.corpus import CorpusBuilder, Document, RetrievalCorpus

THINGS = {
    "weather": ("forecast", ["rain", "sunshine", "storm", "umbrella"]),
    "money": ("currency exchange", ["euros", "dollars", "yen", "cash"]),
    "music": ("song player", ["tune", "melody", "band", "concert"]),
    "flights": ("airline booking", ["fly", "plane", "airport", "ticket"]),
    "recipes": ("cooking guide", ["eat", "dinner", "bake", "soup"]),
    "chess": ("board game", ["checkmate", "queen", "opening", "rook"]),
}
ORDERS = ["please help me with {}", "i want {} today", "what about {}", "tell me of {} now", "show {} to my friend"]


def small_corpus(seed: int = 0) -> RetrievalCorpus:
    """Six tools and some two hundred queries."""
    generator = random.Random(seed)
    builder = CorpusBuilder()
    for name, (description, _) in THINGS.items():
        builder.document(Document(name, f"{name}, {description}", {"tool": name}))
    for number in range(240):
        name = generator.choice(list(THINGS))
        words = " and ".join(generator.sample(THINGS[name][1], 2))
        builder.query(f"q{number}", generator.choice(ORDERS).format(words), [name])
    return builder.finish(seed=0, test_share=0.3)
