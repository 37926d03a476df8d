"""How a retriever is trained and indexed: what `jobs/train_retriever.yaml` may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from octupus.agent.tools.config import ToolSourceConfig
from octupus.config import StrictModel

Method = Literal["encoder", "bm25", "fused"]


class RetrievalDataConfig(StrictModel):
    """Where documents and queries come from, and which queries are kept for measuring."""

    format: Literal["toolbench", "toolbench_queries", "metatool", "jsonl"]
    """toolbench: directories with corpus.tsv, {train,test}.query.txt and qrels.{train,test}.tsv; toolbench_queries:
    files, or directories of files, of ToolBench's or StableToolBench's queries; metatool: directories with
    all_clean_data.csv and multi_tool_query_golden.json; jsonl: directories with documents.jsonl and queries.jsonl."""
    paths: tuple[Path, ...] = Field(min_length=1)
    """Read together as one corpus."""
    descriptions: Path | None = None
    """For metatool: a JSON object of descriptions by tool name. Without it a tool is its name's words and no more."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the queries that are kept for measuring, where the files do not say which."""
    seed: int = 0
    """Seed of that choice."""


class SmallEncoderConfig(StrictModel):
    """An encoder with random weights and a tokenizer of its own, made from the corpus, for work without downloads."""

    hidden_size: int = Field(default=256, ge=8)
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1)
    vocabulary: int = Field(default=16_000, ge=300)
    """Most tokens of its tokenizer."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        return self


class ContrastiveConfig(StrictModel):
    """Training with in-batch negatives; the defaults are those of ToolBench's retriever."""

    batch_size: int = Field(default=32, ge=2)
    """Pairs of a query and a relevant document that one worker takes at a step. The negatives of a query are the other
    documents of its worker's batch."""
    epochs: int = Field(default=5, ge=1)
    lr: float = Field(default=2e-5, gt=0)
    """Highest learning rate; it falls linearly to 0 at the last step."""
    warmup_steps: int = Field(default=500, ge=0)
    """Steps in which the learning rate rises linearly; at most a tenth of all steps."""
    max_tokens: int = Field(default=256, ge=8)
    """Longest text that the encoder reads; what is longer is cut."""
    scale: float = Field(default=20.0, gt=0)
    """What cosines are multiplied by before the softmax."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay, on matrices only."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients with a larger global L2 norm are scaled down to it."""
    relevant_in_batch: Literal["mask", "apart"] = "mask"
    """How a query is kept from having its own relevant documents for negatives: mask leaves them out of its softmax;
    apart also puts such pairs into different batches, which leaves some batches short."""
    seed: int = 0
    """Seed of the order, of dropout, and of the small encoder's weights."""


class RetrieverScalingConfig(StrictModel):
    """Workers of the run."""

    workers: int = Field(default=1, ge=1)
    """Processes that train together, each on its own batches."""
    cpus_per_worker: int = Field(default=1, ge=1)
    """CPUs, and threads, of one worker."""
    use_gpu: bool | Literal["auto"] = "auto"
    """Whether each worker has a GPU; auto is whether the cluster has one."""
    max_failures: int = Field(default=3, ge=-1)
    """How often the run goes on from its newest checkpoint after a worker died; -1 is without limit."""


class RetrieverCheckpointConfig(StrictModel):
    """When checkpoints are written."""

    every_steps: int = Field(default=500, ge=1)
    """Steps between checkpoints; the last step is always followed by one."""
    keep: int = Field(default=2, ge=1)
    """How many of the newest are kept."""


class IndexConfig(StrictModel):
    """What `serve_configs/retriever.yaml` serves."""

    directory: Path
    """Directory to write."""
    tools: tuple[ToolSourceConfig, ...] = ()
    """The tools to index; empty indexes the documents that the encoder was trained on."""


class RetrieverConfig(StrictModel):
    """Train an encoder to find the tools that a query takes."""

    data: RetrievalDataConfig
    encoder: Path | None = None
    """Start weights: a Hugging Face directory of an encoder; null makes a small one from the corpus."""
    small_encoder: SmallEncoderConfig = SmallEncoderConfig()
    """What that small one is like."""
    training: ContrastiveConfig = ContrastiveConfig()
    scaling: RetrieverScalingConfig = RetrieverScalingConfig()
    checkpoint: RetrieverCheckpointConfig = RetrieverCheckpointConfig()
    run: Path
    """Directory of the run, shared by workers on several nodes: checkpoints, metrics.jsonl, report.html. The same one
    continues the same run."""
    export: Path
    """Directory of the trained encoder."""
    index: IndexConfig | None = None
    """Index to build with it."""
    num_cpus: int | None = Field(default=None, gt=0)
    """CPUs of the local Ray instance when no cluster is given; null means all."""


class RetrieverAppConfig(StrictModel):
    """What `args` of the Serve application may hold; see serve_configs/retriever.yaml."""

    index: Path
    """Directory of the index, which every node sees under the same path."""
    method: Method = "fused"
    """encoder: cosines of vectors; bm25: words that query and document share; fused: both, by their ranks."""
    replicas: int = Field(default=1, ge=1)
    """Copies of the index; one process each."""
    cpus: float = Field(default=1, gt=0)
    """CPUs of a replica."""
