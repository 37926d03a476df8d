"""The configuration of re-answering."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from octupus.config import StrictModel
from octupus.endpoint.config import EndpointConfig, SamplingConfig


class EngineConfig(StrictModel):
    """A teacher of vLLM engines in the job, under vLLM's own names; each engine is one actor."""

    tensor_parallel_size: int = Field(default=1, ge=1)
    """GPUs that hold one engine together."""
    max_model_len: int | None = Field(default=None, ge=16)
    """Longest prompt plus answer in tokens; null takes the model's own."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of weights and activations; auto is the model's own on GPUs and float32 on CPUs."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of each GPU's memory that vLLM takes."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """Memory for the key-value cache of an engine on CPUs, in GiB."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the model's chat template, such as {enable_thinking: false}."""
    engine_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of vLLM's AsyncEngineArgs, passed as they are."""


class ReanswerConfig(StrictModel):
    """Re-answer: the assistant's turns of a corpus, written anew by a teacher."""

    input: Path
    """The corpus: what prepare_data reads, such as a .json array, a .jsonl or a .parquet file."""
    format: str = "auto"
    """Form of its rows, as prepare_data names them; `auto` looks at the first ones."""
    on_broken_line: Literal["stop", "drop"] = "stop"
    """What a line that is no JSON does: stop the run, or count as skipped."""
    output: Path
    """Directory to write: answers, reanswer.json, run.json, and the ledger that a resumed run reads."""
    output_format: Literal["jsonl", "parquet"] = "jsonl"
    """Form of the written conversations; both are read as openai_messages."""
    rows_per_file: int | None = Field(default=None, gt=0)
    """Conversations in one written file; null writes a single one."""
    turns: Literal["all", "last"] = "all"
    """Answer every assistant turn, the earlier new answers in the prompt of the later ones, or the last alone."""
    tools: bool = False
    """Whether conversations with tools are asked, with their tools; otherwise they are skipped and counted."""
    on_length: Literal["drop", "keep"] = "drop"
    """What happens to a conversation of which an answer was cut off at max_tokens."""
    system_prompt: str = ""
    """System prompt that the teacher gets; empty leaves each conversation its own."""
    system_prompt_mode: Literal["replace", "prepend"] = "replace"
    """Whether it replaces a conversation's own system prompt or stands in front of it."""
    write_system_prompt: bool = True
    """Whether it is written with the answers; otherwise each conversation is written with its own."""
    teacher: Literal["endpoint", "engine"] = "endpoint"
    """An OpenAI-compatible endpoint, or vLLM engines in this job."""
    model: str = Field(min_length=1)
    """The teacher: the name the endpoint knows it by, or for engines a model directory or a name on Hugging Face."""
    sampling: SamplingConfig = SamplingConfig()
    endpoint: EndpointConfig = EndpointConfig()
    engine: EngineConfig = EngineConfig()
    actors: int = Field(default=1, ge=1)
    """Ray actors that ask; with engines, the number of engines."""
    concurrency: int = Field(default=64, ge=1, le=1000)
    """Requests that each actor has open at once."""
    stop_after_failures: int = Field(default=100, ge=1)
    """Conversations failing one after the other that stop the run; what was answered is kept."""
    report_every_s: float = Field(default=30, gt=0)
    """Time between two lines of progress in the log."""
    num_cpus: int | None = Field(default=None, gt=0)
    """CPUs of the local Ray instance when no cluster is given; empty means all."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value != "auto":
            from octupus.data.sources.registry import FORMATS  # not needed for --help

            if value not in FORMATS:
                raise ValueError(f"unknown format {value!r}; known formats: auto, {', '.join(FORMATS)}")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        output = self.output.absolute()
        if output in (self.input.absolute(), *self.input.absolute().parents):
            raise ValueError(f"output {self.output} holds the input {self.input}; choose another output directory")
        if self.teacher == "endpoint":
            self.endpoint.require_address()
        elif self.tools:
            raise ValueError(
                "tools: engines in the job return text and no tool calls; serve the model with a tool-call parser "
                "and use teacher: endpoint"
            )
        return self
