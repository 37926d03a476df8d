"""Every line of the samples of real corpora's forms ends as the table beside them says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import Conversation
from octupus.data.examine import Dropped, Kept, Rules, examine_rows
from octupus.data.quality import QualityConfig
from octupus.data.reasons import Reason
from octupus.data.sources.corpora import CORPORA
from octupus.data.sources.reader import read_rows
from octupus.data.sources.registry import FORMATS

CORPUS_OF = {
    "toolace": "toolace",
    "hermes_func_calling_singleturn": "hermes",
    "hermes_func_calling": "hermes",
    "hermes_glaive_func_calling": "hermes",
    "wildchat_1m": "wildchat_1m",
    "wildchat_en_zh_dedup_v2": "wildchat_en_zh",
    "openhermes25": "openhermes",
    "openhermes25_qwen_rewrite": "openhermes_qwen",
    "fc_zh_hard": "fc_zh_hard",
    "toolllama_G123_dfs_train": "toolbench",
    "glaive_function_calling_v2_raw": "glaive",
    "xlam_function_calling_60k": "xlam",
}
FLAGS = ("renamed_tools", "merged_tools", "coerced_arguments", "masked_", "cut_")
"""What a conversation says was done to it; what was noticed is left out here."""

# Of a kept line its kind and flags, of a dropped one the reason.
EXPECTED: dict[str, list[tuple[str, ...] | Reason]] = {
    "toolace": [
        ("parallel", "renamed_tools"),
        ("parallel", "cut_tool_result_count", "renamed_tools"),
        ("multi_turn", "renamed_tools"),
        ("no_call", "renamed_tools"),
        ("single", "renamed_tools"),
    ],
    "hermes_func_calling_singleturn": [
        ("single",),
        ("parallel",),
        Reason.SCHEMA_ERROR,
        ("single",),
        Reason.CALL_PARSE_ERROR,
    ],
    "hermes_func_calling": [
        ("single",),
        ("parallel",),
        Reason.TOOL_RESULT_COUNT,
        Reason.ROLES_ERROR,
        ("multi_turn",),
    ],
    "hermes_glaive_func_calling": [
        ("single",),
        ("no_call",),
        ("multi_turn", "masked_schema_error"),
        ("chat",),
        Reason.UNKNOWN_TOOL,
    ],
    "wildchat_1m": [
        ("chat",),
        ("chat",),  # its duplicate is found over all rows, by equal ids
        ("chat", "cut_empty_assistant"),
        Reason.TOXIC,
        Reason.LANGUAGE,
    ],
    "wildchat_en_zh_dedup_v2": [("chat",)] * 5,
    "openhermes25": [("chat",), ("chat",), ("chat",), ("chat",), Reason.EMPTY_USER],
    "openhermes25_qwen_rewrite": [("chat",)] * 5,
    "fc_zh_hard": [
        ("single",),
        ("multi_turn",),
        Reason.MISSING_REQUIRED,
        ("no_call",),
        Reason.CALL_PARSE_ERROR,
    ],
    "toolllama_G123_dfs_train": [
        ("single",),
        ("multi_step",),
        Reason.GAVE_UP,
        ("multi_step",),
        Reason.CALL_PARSE_ERROR,
    ],
    "glaive_function_calling_v2_raw": [("single",), ("single",), ("no_call",), ("chat",), ("single",)],
    "xlam_function_calling_60k": [("parallel",), ("single",), ("single",), ("single",), ("no_call",)],
}

Examine = Callable[[str], list[Kept | Dropped]]


@pytest.fixture(scope="module")
def examine(shared: Callable[[str], Path], tokenizer_directory: Path) -> Examine:
    # Only WildChat's table speaks of languages.
    rules = {
        name: Rules(str(tokenizer_directory), 16384, False, QualityConfig(languages=languages), None)
        for name, languages in ((True, ("en", "zh")), (False, ()))
    }

    def examined(name: str) -> list[Kept | Dropped]:
        path = shared(f"corpora/samples/{name}.jsonl")
        convert = FORMATS[CORPORA[CORPUS_OF[name]].form].bind(path)
        chosen = rules[name.startswith("wildchat")]
        return examine_rows(read_rows(path), convert, chosen)

    return examined


def kept(outcome: Kept | Dropped) -> Conversation:
    assert isinstance(outcome, Kept), outcome
    return outcome.conversation


def arguments(conversation: Conversation) -> list[Any]:
    return [json.loads(call.function.arguments) for each in conversation.messages for call in each.tool_calls]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_line_ends_as_the_table_says(examine: Examine, name: str) -> None:
    found: list[tuple[str, ...] | Reason] = []
    for outcome in examine(name):
        if isinstance(outcome, Dropped):
            found.append(outcome.reason)
            continue
        flags = [flag for flag in outcome.conversation.flags if flag.startswith(FLAGS)]
        found.append((outcome.conversation.kind, *sorted(flags)))
    assert found == EXPECTED[name]


def test_every_sample_is_in_the_table(shared: Callable[[str], Path]) -> None:
    files = {path.stem for path in shared("corpora/samples").glob("*.jsonl")}
    assert files == set(EXPECTED) == set(CORPUS_OF)


def test_toolace_names_calls_and_results(examine: Examine) -> None:
    first, cut, chinese, _, odd = map(kept, examine("toolace"))
    assert [call.function.name for call in first.messages[1].tool_calls] == ["Ferry_Timetable_API", "getTide"]
    assert first.meta["tool_names"] == {"Ferry_Timetable_API": "Ferry Timetable API"}
    assert [message.tool_call_id for message in first.messages[2:4]] == ["call_0", "call_1"]
    assert "Mull" in (first.messages[2].content or "")
    assert cut.messages[-1].tool_calls
    assert [call["note"] for call in arguments(cut)[:2]] == ['stir (slowly), then say "done]"', "its ok"]
    (name,) = chinese.meta["tool_names"]
    assert chinese.meta["tool_names"][name] == "查询快递_Tracker"
    assert arguments(chinese) == [{"单号": "SF100200", "手机后四位": "0088"}]
    assert list(odd.meta["tool_names"].values()) == ["Bank's FX/Rates (v2)"]
    assert {"from", "as-of"} <= set(arguments(odd)[0])
    assert arguments(odd)[0]["live"] is False


def test_hermes_mends_an_enum_of_nulls_and_keeps_text_results(examine: Examine) -> None:
    mended = kept(examine("hermes_func_calling_singleturn")[3])
    assert mended.tools[0].function.parameters["properties"]["pretrained"] == {"type": "boolean"}
    assert arguments(mended) == [{"pretrained": True}]
    assert kept(examine("hermes_func_calling")[4]).messages[2].content == "sensor offline (timeout)"


def test_wildchat_repeats_have_equal_ids(examine: Examine) -> None:
    first, second, third, *_ = examine("wildchat_1m")
    assert kept(first).id == kept(second).id != kept(third).id
    assert kept(examine("wildchat_en_zh_dedup_v2")[0]).id == kept(first).id  # the same dialogue in another corpus


def test_openhermes_weights(examine: Examine) -> None:
    outcome = examine("openhermes25")[2]
    assert [kept(outcome).trained(position) for position in range(2)] == [False, True]


def test_toolllama_trains_the_last_turn_only(examine: Examine) -> None:
    for outcome in examine("toolllama_G123_dfs_train"):
        if isinstance(outcome, Kept):
            conversation = outcome.conversation
            last = len(conversation.messages) - 1
            assert [position for position in range(last + 1) if conversation.trained(position)] == [last]


def test_glaive_reads_an_apostrophe_in_quoted_arguments(examine: Examine) -> None:
    assert arguments(kept(examine("glaive_function_calling_v2_raw")[1])) == [
        {"title": "weather", "body": "it's raining"}
    ]


def test_xlam_types_are_json_schema(examine: Examine) -> None:
    schemas = [kept(outcome).tools[0].function.parameters for outcome in examine("xlam_function_calling_60k")]
    properties = [schema["properties"] for schema in schemas]
    assert properties[0]["port"]["type"] == "string"
    assert [properties[1][name]["type"] for name in ("x", "n")] == ["number", "integer"]
    assert properties[2]["xs"]["type"] == "array"
    assert properties[3]["d"]["type"] == "object"
    assert properties[3]["t"]["type"] == "array"
    assert [schema.get("required", []) for schema in schemas] == [[], ["x"], ["xs"], ["d"], ["xs"]]
