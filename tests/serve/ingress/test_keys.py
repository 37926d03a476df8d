"""API keys: who is let in, and that no key is told."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.errors import ConfigError, RequestError
from octupus.serve.config import AccessConfig
from octupus.serve.ingress.keys import LOOK_EVERY_S, ApiKeys

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=",#"), min_size=1, max_size=40)


class Clock:
    """Goes when it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"h"), (b"authorization", f"Bearer {key}".encode())]


def refused(keys: ApiKeys, headers: list[tuple[bytes, bytes]]) -> bool:
    try:
        keys.check(headers)
    except RequestError as error:
        return (error.status, error.code, list(error.headers)) == (401, "invalid_api_key", ["www-authenticate"])
    return False


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=5), KEYS)
def test_exactly_the_listed_keys_are_let_in_and_none_is_told(listed: list[str], other: str) -> None:
    keys = ApiKeys(AccessConfig(api_keys_variable="KEYS"), {"KEYS": " , ".join(listed)})
    for key in [*listed, other]:
        assert refused(keys, bearer(key)) == (key not in listed)
    identities = {keys.check(bearer(key)) for key in listed}
    assert len(identities) == len(set(listed))
    assert not any(len(key) > 8 and key in repr(keys) + repr(vars(keys)) + str(identities) for key in listed)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"good")],
        [(b"authorization", b"Basic good")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"authorization", b"Bearer good extra")],
        [(b"authorization", b"Bearer good"), (b"authorization", b"Bearer good")],
        [(b"x-api-key", b"good")],
    ],
)
def test_only_one_bearer_key_is_a_key(headers: list[tuple[bytes, bytes]]) -> None:
    assert refused(ApiKeys(AccessConfig(api_keys_variable="KEYS"), {"KEYS": "good"}), headers)


def test_without_configured_keys_everyone_is_let_in() -> None:
    keys = ApiKeys(AccessConfig(), {"KEYS": "good"})
    assert keys.check([]) is None
    assert not keys.required


@pytest.mark.parametrize(
    "content", [None, b"", b"# only a comment\n\n", b"two words\n", b"\xff\xfe\n", "schlüssel\n".encode()]
)
def test_a_file_without_good_keys_stops_the_start_and_is_not_quoted(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="api_keys_file") as caught:
        ApiKeys(AccessConfig(api_keys_file=file), {})
    assert not {"words", "schlüssel"} & set(str(caught.value).split())
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("value", [None, "", " , "])
def test_an_empty_variable_stops_the_start(value: str | None) -> None:
    with pytest.raises(ConfigError, match="MY_KEYS"):
        ApiKeys(AccessConfig(api_keys_variable="MY_KEYS"), {} if value is None else {"MY_KEYS": value})


def test_a_changed_file_is_read_anew_and_a_broken_one_leaves_the_last_good_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("octupus"), "propagate", True)
    file, clock = tmp_path / "keys", Clock()
    file.write_text("# people\nfirst-key\n")
    keys = ApiKeys(AccessConfig(api_keys_file=file, api_keys_variable="KEYS"), {"KEYS": "constant"}, clock)
    replaced = tmp_path / "new"
    replaced.write_text("other-key\n")
    replaced.replace(file)
    assert not refused(keys, bearer("first-key"))
    clock.now += LOOK_EVERY_S
    assert refused(keys, bearer("first-key"))
    assert not refused(keys, bearer("other-key"))
    for breakage in (lambda: file.write_text(""), file.unlink):
        breakage()
        caplog.clear()
        for _ in range(3):
            clock.now += LOOK_EVERY_S
            assert not refused(keys, bearer("other-key"))
        assert len([item for item in caplog.records if item.levelno == logging.ERROR]) == 1
    file.write_text("third-key")
    clock.now += LOOK_EVERY_S
    assert refused(keys, bearer("other-key"))
    assert not refused(keys, bearer("third-key"))
    assert not refused(keys, bearer("constant"))
    assert "-key" not in caplog.text
