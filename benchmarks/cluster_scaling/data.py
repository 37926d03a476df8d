"""Preparing data: rows in tasks on all cores, and what one driver does for all of them (octupus/data/pipeline.py)."""

from __future__ import annotations

from benchmarks.cluster_scaling import constants as c
from benchmarks.cluster_scaling.resource import Cluster, Use


def driver_cpu() -> dict[str, float]:
    """CPU seconds of the driver for one row, by what it does; they add up, since one process does all of it."""
    return {
        "cutting corpora": c.CORPUS_BYTES / c.SURVEY_RATE,
        "hashing corpora": c.CORPUS_BYTES / c.HASH_RATE,
        "index": c.INDEX_CPU,
        "duplicates": c.DUPLICATE_CPU,
        "packing": c.PACK_CPU,
        "tasks": c.TASK_CPU / c.ROWS_PER_BLOCK,
    }


def storage_bytes() -> dict[str, float]:
    """Bytes of one row that cross to or from shared storage, by pass; the corpus is read three times."""
    return {
        "corpus, by the driver": 2 * c.CORPUS_BYTES,
        "first pass": c.CORPUS_BYTES + c.STORED_BYTES,
        "last pass": c.STORED_BYTES * (1 + c.SHRUNK),
    }


def driver_memory(rows: float) -> float:
    """Bytes on the driver while near duplicates are searched for."""
    return rows * (c.INDEX_BYTES + c.NEAR_BYTES)


def object_store_bytes(rows: float) -> float:
    """Bytes in the object store of a node: blocks of the index on their way, and what the last pass carries."""
    in_flight = c.CORES_PER_NODE * c.IN_FLIGHT * c.ROWS_PER_BLOCK * c.INDEX_BYTES
    return in_flight + c.LAST_PASS_BYTES * rows


def seconds(rows: float, cluster: Cluster) -> dict[str, float]:
    """Elapsed seconds by phase. Within a phase what is slowest decides; phases follow each other."""
    driver, size = driver_cpu(), storage_bytes()
    reading = driver["cutting corpora"] + driver["hashing corpora"]
    cores = rows * c.ROW_CPU / cluster.cores
    return {
        "start": c.DATA_START,
        "corpora": max(rows * reading, cluster.storage_s(rows * size["corpus, by the driver"])),
        "first pass": max(
            cores, rows * (driver["index"] + driver["tasks"]), cluster.storage_s(rows * size["first pass"])
        ),
        "decisions": rows * (driver["duplicates"] + driver["packing"]),
        "last pass": cluster.storage_s(rows * size["last pass"]),
    }


def uses(rows: float, cluster: Cluster) -> list[Use]:
    """Shares while all cores are busy with rows."""
    pace = rows * c.ROW_CPU / cluster.cores
    return [
        Use(
            "driver CPU",
            rows * sum(driver_cpu().values()) / pace,
            "near_duplicates.drop false (an eighth less); more needs code: cut and hash corpora in tasks",
        ),
        Use(
            "shared storage",
            cluster.storage_s(rows * sum(storage_bytes().values())) / pace,
            "output and corpora on faster storage",
        ),
        Use(
            "driver memory",
            driver_memory(rows) / cluster.head_memory,
            "ray job submit --entrypoint-memory, on a node that has it",
        ),
        Use("object store", object_store_bytes(rows) / c.OBJECT_STORE, "ray start --object-store-memory"),
    ]
