"""BM25 and a small trained encoder on real corpora of tools, side by side in one run.

    python benchmarks/retriever.py [--corpora ../shared/corpora] [--only metatool stabletoolbench] [--seed 0]
        [--split 1]

The encoder starts from random weights and sees nothing but its corpus: the documents, and the queries of the train side
with their relevant documents. Queries are split by their words, four to one. The settings below were tried out on
split 0, test side included, so that split 0 flatters the encoder; other splits hold other queries back.
`bm25 + train queries` is BM25 over documents to which the train queries that need them are appended: a lexical method
that learns from the same data. `fused` is reciprocal rank fusion. `error` is the standard error of ndcg_5 over test
queries.

Times are of one thread. On a machine that does other things too, CPU seconds are the ones to compare.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, stdev
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")

import torch

from octupus.agent.retrieve.bm25 import Bm25
from octupus.agent.retrieve.checkpoints import LocalCheckpoints
from octupus.agent.retrieve.config import RetrieverConfig
from octupus.agent.retrieve.corpus import Document, RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder
from octupus.agent.retrieve.index import Index
from octupus.agent.retrieve.launch import start_encoder
from octupus.agent.retrieve.metrics import mean_metrics, ndcg
from octupus.agent.retrieve.ranking import Fused, Retriever
from octupus.agent.retrieve.readers import read_corpus
from octupus.agent.retrieve.train import train

SETTINGS: dict[str, dict[str, Any]] = {
    "metatool": {
        "data": {"format": "metatool", "paths": ["metatool"]},
        "small_encoder": {"hidden_size": 128},
        "training": {"batch_size": 64, "epochs": 3, "lr": 2e-3, "max_tokens": 48},
    },
    "stabletoolbench": {
        "data": {"format": "toolbench_queries", "paths": ["stabletoolbench/test_instruction", "toolbench/instruction"]},
        "small_encoder": {"hidden_size": 256},
        "training": {"batch_size": 32, "epochs": 3, "lr": 5e-4, "max_tokens": 128},
    },
}
COLUMNS = ("ndcg_1", "ndcg_3", "ndcg_5", "recall_5")


def main() -> None:
    """Measure each corpus and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as directory:
            measure_corpus(name, config_of(name, arguments, Path(directory)))


def config_of(name: str, arguments: argparse.Namespace, directory: Path) -> RetrieverConfig:
    """The configuration of a corpus, as the job would have it."""
    settings = SETTINGS[name]
    paths = [arguments.corpora / path for path in settings["data"]["paths"]]
    return RetrieverConfig.model_validate(
        {
            **settings,
            "data": settings["data"] | {"paths": paths, "seed": arguments.split},
            "training": settings["training"] | {"seed": arguments.seed},
            "checkpoint": {"every_steps": 10**9},
            "run": directory / "run",
            "export": directory / "export",
        }
    )


def measure_corpus(name: str, config: RetrieverConfig) -> None:
    """Train, measure, print."""
    corpus = read_corpus(config.data)
    print(
        f"\n{name}: {len(corpus.documents)} documents, {len(corpus.of('train'))} queries to train with, "
        f"{len(corpus.of('test'))} to measure; {dict(corpus.counts)}",
        flush=True,
    )
    print(f"{'':24}" + "".join(f"{column:>10}" for column in (*COLUMNS, "error", "p50 ms")), flush=True)
    words, learned = Bm25(corpus.documents), Bm25(expanded(corpus))
    show("bm25", words, corpus)
    show("bm25 + train queries", learned, corpus)
    start = start_encoder(config, corpus)
    show("encoder, untrained", index_of(start, config, corpus), corpus)
    wall, cpu = time.monotonic(), time.process_time()
    train(config, corpus, start, torch.device("cpu"), LocalCheckpoints(config.run / "checkpoints", 1))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    encoder = index_of(config.export, config, corpus)
    show("encoder, trained", encoder, corpus)
    show("fused: bm25, encoder", Fused([words, encoder]), corpus)
    show("fused: bm25 +, encoder", Fused([learned, encoder]), corpus)
    print(f"training, with a measurement after each epoch: {wall:.0f} s, {cpu:.0f} s of CPU", flush=True)


def expanded(corpus: RetrievalCorpus) -> list[Document]:
    """Each document with the train queries that need it."""
    texts = {document.id: [document.text] for document in corpus.documents}
    for query in corpus.of("train"):
        for identity in query.relevant:
            texts[identity].append(query.text)
    return [replace(document, text=" ".join(texts[document.id])) for document in corpus.documents]


def index_of(directory: Path, config: RetrieverConfig, corpus: RetrievalCorpus) -> Index:
    """An index in memory."""
    encoder = Encoder.open(directory, config.training.max_tokens)
    return Index(corpus.documents, encoder.embed([document.text for document in corpus.documents]), encoder)


def show(name: str, retriever: Retriever, corpus: RetrievalCorpus) -> None:
    """Rank every test query alone, and print a row."""
    rankings, times = [], []
    queries = corpus.of("test")
    for query in queries:
        started = time.perf_counter()
        ranked = retriever.rank(query.text, 5)
        times.append(1000 * (time.perf_counter() - started))
        rankings.append([identity for identity, _ in ranked])
    wanted = [query.relevant for query in queries]
    metrics = mean_metrics(rankings, wanted)
    each = [ndcg(ranked, relevant, 5) for ranked, relevant in zip(rankings, wanted, strict=True)]
    values = [*(metrics[column] for column in COLUMNS), stdev(each) / len(each) ** 0.5]
    print(f"{name:24}" + "".join(f"{value:10.4f}" for value in values) + f"{median(times):10.1f}", flush=True)


if __name__ == "__main__":
    main()
