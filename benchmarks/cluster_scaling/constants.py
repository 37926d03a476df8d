"""Every number that the calculation takes from outside itself, with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How far a number can be trusted."""

    MEASURED = "measured here"
    CODE = "read in code"
    VENDOR = "data sheet"
    PUBLIC = "public figure"
    ASSUMED = "assumption"


@dataclass(frozen=True, slots=True)
class Constant:
    """One number."""

    name: str
    value: float
    unit: str
    kind: Kind
    source: str


CONSTANTS: list[Constant] = []
"""All of them, in the order in which they are written here."""


def _constant(name: str, value: float, unit: str, kind: Kind, source: str) -> float:
    CONSTANTS.append(Constant(name, value, unit, kind, source))
    return value


_MICRO = "python -m benchmarks.cluster_scaling.measured"

# A node: 8 H100s.
GPUS_PER_NODE = int(_constant("GPUs of a node", 8, "GPUs", Kind.VENDOR, "DGX H100; AWS p5.48xlarge"))
CORES_PER_NODE = int(_constant("cores of a node", 96, "cores", Kind.VENDOR, "AWS p5.48xlarge: 192 vCPUs"))
NODE_MEMORY = _constant("memory of a node", 2e12, "bytes", Kind.VENDOR, "AWS p5.48xlarge, DGX H100: 2 TB")
NVLINK = _constant("NVLink of a GPU, one way", 450e9, "bytes/s", Kind.VENDOR, "H100 SXM: 900 GB/s both ways")
FAST_NETWORK = _constant("network of a node, fast", 400e9, "bytes/s", Kind.VENDOR, "8 x 400 Gb/s: InfiniBand NDR, EFA")
SLOW_NETWORK = _constant("network of a node, slow", 12.5e9, "bytes/s", Kind.VENDOR, "1 x 100 Gb/s Ethernet")
REACHED = _constant("share of a link's peak that NCCL reaches", 0.8, "", Kind.ASSUMED, "large messages")
HEAD_MEMORY = _constant("memory of the head node", 64 * 2**30, "bytes", Kind.ASSUMED, "16 vCPUs, no GPU")
STORAGE = _constant("shared storage, together", 5e9, "bytes/s", Kind.ASSUMED, "varied: 1, 5 and 20 GB/s")
OBJECT_STORE = _constant(
    "object store of a node", 200e9, "bytes", Kind.CODE, "Ray 2.60: 30 % of memory, at most 200 GB"
)

# Data.
ROW_CPU = _constant("CPU of a row", 2.9e-3, "s", Kind.MEASURED, "docs/promises.md, 'The data line': 2.8 to 3.0 ms")
TOKENS_OF_ROW = _constant("tokens of a row", 620, "tokens", Kind.MEASURED, "the same: generated conversations")
DATA_START = _constant("until the first task is done", 10, "s", Kind.MEASURED, "the same")
INDEX_BYTES = _constant("index on the driver", 380, "bytes/row", Kind.MEASURED, "the same")
NEAR_BYTES = _constant("near-duplicate search on the driver", 270, "bytes/row", Kind.MEASURED, "the same")
INDEX_CPU = _constant("index, on the driver", 4.9e-6, "s/row", Kind.MEASURED, _MICRO)
DUPLICATE_CPU = _constant("exact and near duplicates, on the driver", 2.7e-6, "s/row", Kind.MEASURED, _MICRO)
PACK_CPU = _constant("packing, on the driver", 3.0e-6, "s/row", Kind.MEASURED, _MICRO)
SURVEY_RATE = _constant("cutting corpora into blocks, on the driver", 1079e6, "bytes/s", Kind.MEASURED, _MICRO)
HASH_RATE = _constant("SHA-256 of corpora, on the driver", 1349e6, "bytes/s", Kind.MEASURED, _MICRO)
ROWS_PER_BLOCK = int(_constant("rows of a block", 2000, "rows", Kind.CODE, "octupus/data/pipeline.py"))
TASK_CPU = _constant("a Ray Data task, on the driver", 1e-3, "s", Kind.ASSUMED, "its executor and Ray's submission")
CORPUS_BYTES = _constant("corpus", 3000, "bytes/row", Kind.ASSUMED, "4 bytes a token, and JSON around it")
STORED_BYTES = _constant(
    "block on disk", 5560, "bytes/row", Kind.CODE, "store.py: the record, int32 ids, a bit a token"
)
SHRUNK = _constant("size of parquet output to blocks", 0.4, "", Kind.ASSUMED, "zstd, as shards.py writes")
LAST_PASS_BYTES = _constant("index that the last pass carries", 24, "bytes/row", Kind.CODE, "assemble.LastPass, Packs")
IN_FLIGHT = _constant("finished blocks that wait for the driver, a core", 2, "blocks", Kind.ASSUMED, "Ray Data")
ROWS_PER_GPU = _constant("rows prepared, a GPU", 2e6, "rows", Kind.ASSUMED, "16 M, 128 M and 1 G rows")

# Training.
DOCUMENT_TOKENS = _constant("document of a pack", 620, "tokens", Kind.MEASURED, "docs/promises.md, 'The data line'")
FILL = _constant("fill of packs of 8192", 0.9978, "", Kind.MEASURED, "docs/promises.md, 'The data line'")
TRAINED_SHARE = _constant("tokens that are trained", 0.5, "", Kind.ASSUMED, "as in 'Training' of docs/promises.md")
GRADIENT_BYTES = _constant("gradient on the wire", 2, "bytes/parameter", Kind.CODE, "DeepSpeed 0.19.8: bfloat16")
DISK_WRITE = _constant("a worker's checkpoint to its own disk", 1.5e9, "bytes/s", Kind.ASSUMED, "torch.save to NVMe")
RESTART = _constant("restart without reading", 120, "s", Kind.ASSUMED, "noticing, processes, imports, NCCL")
NODE_DAYS = _constant(
    "node-days between failures",
    54 * 2048 / 419,
    "days",
    Kind.PUBLIC,
    "Llama 3 (arXiv 2407.21783, 3.3.4): 419 unexpected interruptions in 54 days of 16,384 H100s",
)
TRAINING_TOKENS = _constant("tokens of a training run", 1e9, "tokens", Kind.ASSUMED, "1.6 M conversations")

# Serving.
GENERATED_RATE = _constant("tokens that a GPU generates", 3000, "tokens/s", Kind.ASSUMED, "7B, bfloat16, 64 at once")
ANSWER_TOKENS = _constant("tokens of an answer", 256, "tokens", Kind.ASSUMED, "")
PROMPT_TOKENS = _constant("tokens of a prompt", 1024, "tokens", Kind.ASSUMED, "half of them in the prefix cache")
REQUEST_CPU = _constant(
    "ingress, a request", 5e-3, "s", Kind.MEASURED, "docs/promises.md, 'Serving': 2 ms to parse, 3 ms to the replica"
)
ITEM_CPU = _constant(
    "a streamed item, all processes",
    2 * (1 / 27 - 1 / 50) / (64 - 10),
    "s",
    Kind.MEASURED,
    "studies/serving.md 7: 27 requests/s of 64 items, 50 of about 10, on 2 cores (means of two runs that differ by 2)",
)
INGRESS_SHARE = _constant("of it, in the ingress", 0.5, "", Kind.ASSUMED, "the rest in replica and HAProxy")
SCAN_CPU = _constant("prefix table, a request and replica", 1.34e-6, "s", Kind.MEASURED, _MICRO)
PROBE_CPU = _constant("asking a replica for its queue", 1e-3, "s", Kind.ASSUMED, "a call of an actor and its answer")
PROBE_PERIOD = _constant("how long that answer counts", 10, "s", Kind.CODE, "Ray 2.60, queue length cache")
CHECK_PERIOD = _constant("between health checks", 2.0, "s", Kind.CODE, "octupus/serve/engine/deployment.py")
CHECK_CPU = _constant("a health check, in the controller", 0.5e-3, "s", Kind.PUBLIC, "ray pull request 64871")
TABLE_BLOCKS = _constant("blocks of a prefix table, a replica", 16384, "blocks", Kind.CODE, "prefix_router.py")
BLOCK_BYTES = _constant("a block in a prefix table", 128, "bytes", Kind.CODE, "prefix_router.py: 2 MB for 16,384")
MASK_CPU = _constant("a mask, in the engine's process", 41e-6, "s", Kind.MEASURED, "docs/promises.md, 'Constraints'")
HAPROXY_REQUEST_CPU = _constant("HAProxy, a request", 50e-6, "s", Kind.ASSUMED, "")
HAPROXY_ITEM_CPU = _constant("HAProxy, a streamed item", 5e-6, "s", Kind.ASSUMED, "")
HAPROXY_THREADS = _constant("HAProxy's threads", 4, "threads", Kind.CODE, "Ray 2.60, RAY_SERVE_HAPROXY_NBTHREAD")
BUSY = _constant("share of its core that an ingress should use", 0.7, "", Kind.ASSUMED, "beyond, latency grows")
