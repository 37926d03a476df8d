"""The corpora octupus knows by name: where they lie, how their rows look, and whether they may be trained on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from octupus.errors import CorpusError

EVALUATION = "an evaluation set: training on it would make its score worthless"
NON_COMMERCIAL = "its licence forbids commercial use"


@dataclass(frozen=True, slots=True)
class Corpus:
    """One registered corpus."""

    name: str
    repository: str
    """Data set on the Hugging Face hub, or the project that publishes it."""
    form: str
    """Name of its rows' format."""
    licence: str
    splits: Mapping[str, str] = field(default_factory=dict)
    """Files on the hub by split or config, as patterns; empty for what is not on the hub: give a path."""
    not_for_training: str = ""
    """Why it must not be trained on; empty when it may be."""
    language: str = "en"


_HERMES = {
    "func_calling_singleturn": "func-calling-singleturn.json",
    "func_calling": "func-calling.json",
    "glaive_func_calling": "glaive-function-calling-5k.json",
    "json_mode_agentic": "json-mode-agentic.json",
    "json_mode_singleturn": "json-mode-singleturn.json",
}
_PARQUET = {"train": "data/train-*.parquet"}

_ALL = (
    Corpus(
        "openhermes",
        "teknium/OpenHermes-2.5",
        "openhermes",
        "unstated by its card; made with GPT-4",
        {"train": "openhermes2_5.json"},
    ),
    Corpus(
        "openhermes_qwen",
        "hqfx/openhermes-2.5-qwen-rewrite",
        "openhermes",
        "as OpenHermes-2.5; answers by Qwen2.5-72B-Instruct",
        _PARQUET,
    ),
    Corpus("wildchat", "allenai/WildChat", "wildchat", "ODC-BY", _PARQUET, language="many"),
    Corpus("wildchat_1m", "allenai/WildChat-1M", "wildchat", "ODC-BY", _PARQUET, language="many"),
    Corpus(
        "wildchat_en_zh",
        "hqfx/wild_chat_en_zh_dedup_v2",
        "wildchat",
        "ODC-BY",
        {"English": "data/English-*.parquet", "Chinese": "data/Chinese-*.parquet"},
        language="en zh",
    ),
    Corpus("hermes", "NousResearch/hermes-function-calling-v1", "hermes", "Apache-2.0", _HERMES),
    Corpus(
        "hermes_oai",
        "hqfx/hermes_fc_oai",
        "fc_zh_hard",
        "Apache-2.0",
        {name: f"data/{name}-*.parquet" for name in ("func_calling_singleturn", "func_calling", "glaive_func_calling")},
    ),
    Corpus(
        "hermes_cleaned",
        "hqfx/hermes_fc_cleaned",
        "fc_zh_hard",
        "Apache-2.0",
        {name: f"data/{name}-*.parquet" for name in ("func_calling_singleturn", "func_calling", "glaive_func_calling")},
    ),
    Corpus("toolace", "Team-ACE/ToolACE", "toolace", "Apache-2.0", {"train": "data.json"}, language="en zh"),
    Corpus("toolace_oai", "hqfx/tool_ace_cleaned", "fc_zh_hard", "Apache-2.0", _PARQUET, language="en zh"),
    Corpus("fc_zh_hard", "bz-arc13/zp_fc_gpt4", "fc_zh_hard", "unstated", _PARQUET, language="zh"),
    Corpus("fc_zh_hard_copy", "hqfx/fc_zh_hard", "fc_zh_hard", "unstated", _PARQUET, language="zh"),
    Corpus("fc_zh_hard_oai", "hqfx/fc_zh_hard_oai", "fc_zh_hard", "unstated", _PARQUET, language="zh"),
    Corpus(
        "glaive",
        "glaiveai/glaive-function-calling-v2",
        "glaive",
        "Apache-2.0",
        {"train": "glaive-function-calling-v2.json"},
    ),
    Corpus(
        "glaive_sharegpt",
        "hiyouga/glaive-function-calling-v2-sharegpt",
        "sharegpt",
        "Apache-2.0",
        {"train": "glaive_toolcall_100k.json"},
    ),
    Corpus(
        "alpaca",
        "tatsu-lab/alpaca",
        "alpaca",
        "CC BY-NC 4.0",
        {"train": "data/train-*.parquet"},
        NON_COMMERCIAL,
    ),
    Corpus(
        "alpaca_gpt4_en",
        "llamafactory/alpaca_gpt4_en",
        "alpaca",
        "CC BY-NC 4.0",
        {"train": "alpaca_gpt4_data_en.json"},
        NON_COMMERCIAL,
    ),
    Corpus(
        "alpaca_gpt4_zh",
        "llamafactory/alpaca_gpt4_zh",
        "alpaca",
        "CC BY-NC 4.0",
        {"train": "alpaca_gpt4_data_zh.json"},
        NON_COMMERCIAL,
        language="zh",
    ),
    Corpus(
        "oasst",
        "OpenAssistant/oasst1",
        "oasst",
        "Apache-2.0",
        {"train": "2023-04-12_oasst_ready.trees.jsonl.gz"},
        language="many",
    ),
    Corpus("toolbench", "OpenBMB/ToolBench (toolllama_G123_dfs_train.json)", "toolllama", "Apache-2.0"),
    Corpus(
        "xlam",
        "Salesforce/xlam-function-calling-60k",
        "xlam",
        "CC BY 4.0",
        {"train": "xlam_function_calling_60k.json"},
    ),
    Corpus("apibank", "AlibabaResearch/DAMO-ConvAI (api-bank)", "apibank", "Apache-2.0", {}, EVALUATION),
    Corpus("sealtools", "fairyshine/Seal-Tools (train)", "sealtools", "Apache-2.0"),
    Corpus("sealtools_test", "fairyshine/Seal-Tools (dev, tests)", "sealtools", "Apache-2.0", {}, EVALUATION),
    Corpus("toolalpaca", "tangqiaoyu/ToolAlpaca (train_data.json)", "toolalpaca", "Apache-2.0"),
    Corpus("toolalpaca_test", "tangqiaoyu/ToolAlpaca (eval_*.json)", "toolalpaca", "Apache-2.0", {}, EVALUATION),
    Corpus("taubench", "sierra-research/tau-bench", "taubench", "MIT", {}, EVALUATION),
    Corpus("hammer_eval", "MadeAgents/Hammer (data/test)", "hammer", "Apache-2.0", {}, EVALUATION),
    Corpus("bfcl", "gorilla bfcl_eval/data", "bfcl", "Apache-2.0", {}, EVALUATION, language="many"),
)

CORPORA: Mapping[str, Corpus] = {corpus.name: corpus for corpus in _ALL}


def corpus_named(name: str) -> Corpus:
    """The corpus of that name, or of that repository on the hub. Raises CorpusError listing the known ones."""
    for corpus in _ALL:
        if name in (corpus.name, corpus.repository):
            return corpus
    known = [each for corpus in _ALL for each in (corpus.name, corpus.repository)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f", did you mean {near[0]!r}?" if near else ";"
    raise CorpusError(f"unknown corpus {name!r}{meant} known corpora: {', '.join(CORPORA)}")
