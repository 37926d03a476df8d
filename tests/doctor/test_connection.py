"""The doctor never starts a Ray, and says why it has no connection."""

import socket

import pytest

from octupus.doctor.connection import ConnectionFailedError, connected


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "https://cluster.example"])
def test_a_job_server_is_no_cluster_that_nodes_can_be_asked_through(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConnectionFailedError, match="ray job submit"), connected():
        pass


def test_an_address_where_nobody_listens_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for scheme in ("", "ray://"):
        monkeypatch.setenv("RAY_ADDRESS", f"{scheme}127.0.0.1:{port}")
        with pytest.raises(ConnectionFailedError, match=f"{port}: .*refused.*; start one"), connected():
            pass


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "no address")
    with pytest.raises(ConnectionFailedError, match="no address"), connected():
        pass
