"""An endpoint's address and key: refused before anything is asked, and the key never in a configuration."""

import pytest

from octupus.endpoint.config import EndpointConfig
from octupus.errors import ConfigError


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://host/v1", "http://"])
def test_an_address_is_http(address: str) -> None:
    with pytest.raises(ValueError, match=r"judge\.base_url .* is no http address"):
        EndpointConfig(base_url=address).require_address("judge")


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"endpoint\.base_url holds a password") as error:
        EndpointConfig(base_url="https://user:secret@host/v1").require_address()
    assert "secret" not in str(error.value)


def test_a_key_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EndpointConfig(base_url="http://host/v1").api_key() is None
    config = EndpointConfig(base_url="http://host/v1", api_key_env="A_KEY_OF_A_TEST")
    monkeypatch.setenv("A_KEY_OF_A_TEST", "sesame")
    key = config.api_key()
    assert key is not None
    assert key.get_secret_value() == "sesame"
    assert "sesame" not in repr(key) + config.model_dump_json()
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("A_KEY_OF_A_TEST")
        else:
            monkeypatch.setenv("A_KEY_OF_A_TEST", value)
        with pytest.raises(ConfigError, match="A_KEY_OF_A_TEST, which is not set"):
            config.api_key()
