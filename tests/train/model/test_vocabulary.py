import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.registry import DIALECTS, model_chat
from octupus.chat.render import render
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.errors import VocabularyError
from octupus.train.config import VocabularyConfig
from octupus.train.model.vocabulary import DESCRIPTIONS, edit_vocabulary
from tests.train.tiny_model import write_base_model

Edited = tuple[Path, Path]


@pytest.fixture(
    scope="module",
    params=[(True, 0), (False, 0), (True, 40), (False, 40), (True, 3)],
    ids=["tied", "untied", "tied padded", "untied padded", "tied partly padded"],
)
def edited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Edited:
    tied, padding = request.param
    directory = tmp_path_factory.mktemp("vocabulary")
    base = write_base_model(directory / "base", tied=tied, padding_rows=padding)
    return base, edit_vocabulary(VocabularyConfig(base=base, output=directory / "edited"))


def test_every_dialects_control_tokens_are_described() -> None:
    for dialect in DIALECTS.values():
        assert set(dialect.control_tokens) <= set(DESCRIPTIONS)


def load(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, dtype="auto")


def matrices(model: Any) -> list[torch.Tensor]:
    return [model.get_input_embeddings().weight, model.get_output_embeddings().weight]


def test_new_rows_are_the_mean_of_their_description(edited: Edited) -> None:
    base, output = edited
    words, chat = ChatTokenizer.from_directory(base), model_chat(output)
    before, after = matrices(load(base)), matrices(load(output))
    for old, new in zip(before, after, strict=True):
        for token in OCTUPUS.control_tokens:
            expected = old[words.encode(DESCRIPTIONS[token])].mean(dim=0)
            torch.testing.assert_close(new[chat.tokenizer.control_id(token)], expected)
        assert torch.equal(new[: len(words)], old[: len(words)])


def test_the_matrix_never_shrinks_and_grows_only_when_needed(edited: Edited) -> None:
    base, output = edited
    rows = matrices(load(base))[0].shape[0]
    model = load(output)
    assert matrices(model)[0].shape[0] == max(rows, len(ChatTokenizer.from_directory(output)))
    assert model.config.vocab_size == matrices(model)[0].shape[0] == matrices(model)[1].shape[0]


def test_tied_embeddings_stay_tied(edited: Edited) -> None:
    base, _ = edited
    for directory in edited:
        model = load(directory)
        one, other = matrices(model)
        assert (one is other) == load(base).config.tie_word_embeddings == model.config.tie_word_embeddings


def test_all_other_weights_stay_equal(edited: Edited) -> None:
    base, output = (load(directory).state_dict() for directory in edited)
    assert base.keys() == output.keys()
    for name in base:
        if "embed_tokens" not in name and "lm_head" not in name:
            assert torch.equal(base[name], output[name])


def test_the_directory_is_one_that_transformers_loads(edited: Edited) -> None:
    _, output = edited
    tokenizer = AutoTokenizer.from_pretrained(output)
    chat = model_chat(output)
    assert tokenizer.eos_token_id == chat.tokenizer.end_id == load(output).generation_config.eos_token_id
    assert {path.name for path in output.iterdir()} >= {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "octupus.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    assert not list(output.parent.glob(".*partial"))


def test_editing_twice_changes_nothing(edited: Edited, tmp_path: Path) -> None:
    _, output = edited
    again = edit_vocabulary(VocabularyConfig(base=output, output=tmp_path / "again"))
    assert model_chat(again).tokenizer.sha256 == model_chat(output).tokenizer.sha256
    for name, tensor in load(output).state_dict().items():
        assert torch.equal(tensor, load(again).state_dict()[name])
    record = json.loads((again / "octupus.json").read_text())
    assert record["lineage"][-1]["control_tokens_added"] == []
    assert record["base"] == json.loads((output / "octupus.json").read_text())["base"]


def test_a_finished_output_is_reused_and_a_foreign_one_refused(edited: Edited) -> None:
    base, output = edited
    written = (output / "octupus.json").stat().st_mtime_ns
    assert edit_vocabulary(VocabularyConfig(base=base, output=output)) == output
    assert (output / "octupus.json").stat().st_mtime_ns == written
    with pytest.raises(VocabularyError, match="exists and was not made from"):
        edit_vocabulary(VocabularyConfig(base=output, output=base))


def test_mixed_files_are_refused(base_directory: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(base_directory, mixed)
    settings = json.loads((mixed / "tokenizer.json").read_text())
    last = len(settings["model"]["vocab"])
    settings["model"]["vocab"] |= {f"extra{number}": last + number for number in range(9)}
    (mixed / "tokenizer.json").write_text(json.dumps(settings))
    with pytest.raises(VocabularyError, match="mixes files of two models"):
        edit_vocabulary(VocabularyConfig(base=mixed, output=tmp_path / "output"))
    assert not (tmp_path / "output").exists()


def template_ids(tokenizer: Any, conversation: Conversation, prompt: bool) -> list[int]:
    ids = tokenizer.apply_chat_template(
        [message.to_openai() for message in conversation.messages],
        tools=[tool.model_dump() for tool in conversation.tools] or None,
        add_generation_prompt=prompt,
        return_dict=False,
    )
    return list(ids)


WEATHER = Tool(
    function=FunctionDefinition(
        name="get_weather",
        description='What the weather is like, e.g. "sunny" <b>today</b>',
        parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    )
)
CALLS = tuple(
    ToolCall(id=f"call_{number}", function=FunctionCall(name="get_weather", arguments=json.dumps({"city": city})))
    for number, city in enumerate(["北京", "Zürich"])
)
CONVERSATIONS = [
    Conversation(messages=(Message(role="user", content="hi"), Message(role="assistant", content="hello"))),
    Conversation(
        messages=(
            Message(role="system", content="be short\n\n"),
            Message(role="user", content="  天气 in 北京 & Zürich? 🌦️ "),
            Message(role="assistant", content="One moment.", tool_calls=CALLS),
            Message(role="tool", content='{"sky": "blue"}', tool_call_id="call_0"),
            Message(role="tool", content="", tool_call_id="call_1"),
            Message(role="assistant", content="Blue."),
        ),
        tools=(WEATHER,),
    ),
    Conversation(messages=(Message(role="user", content="weather?"),), tools=(WEATHER, WEATHER)),
]


def assert_template_renders_as_training_does(directory: Path) -> None:
    tokenizer, chat = AutoTokenizer.from_pretrained(directory), model_chat(directory)
    for conversation in CONVERSATIONS:
        for prompt in (False, True):
            expected = render(conversation, OCTUPUS, chat.tokenizer, generation_prompt=prompt).ids
            assert template_ids(tokenizer, conversation, prompt) == expected


def test_the_chat_template_renders_what_training_renders(edited: Edited) -> None:
    assert_template_renders_as_training_does(edited[1])


def test_the_chat_template_renders_what_training_renders_with_qwens_tokenizer(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    base = write_base_model(tmp_path / "base", padding_rows=151_700)
    shutil.copytree(shared("qwen_tokenizer"), base, dirs_exist_ok=True)
    output = edit_vocabulary(VocabularyConfig(base=base, output=tmp_path / "output"))
    assert_template_renders_as_training_does(output)
    assert matrices(load(output))[0].shape == matrices(load(base))[0].shape
