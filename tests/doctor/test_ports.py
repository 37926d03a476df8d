"""A port in use is told with the program that has it, unless that is who should have it."""

import os
import socket

import pytest

from octupus.doctor.ports import RAY_PORTS, Listener, endpoint_port, judge_port, port_findings, who_listens
from octupus.nodes.findings import Severity


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_program_that_listens_is_found(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert who_listens({port})[port].pid == os.getpid()
    assert who_listens({port}) == {}


def test_a_taken_endpoint_port_must_be_mended() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        (finding,) = port_findings([endpoint_port(port)])
    assert finding.severity is Severity.ERROR
    assert f"port {port} is in use by" in finding.what
    assert f"process {os.getpid()}" in finding.what
    assert port_findings([endpoint_port(port)]) == []


def test_ray_may_have_its_own_ports_and_others_may_not() -> None:
    for want in RAY_PORTS:
        for name in ("gcs_server", "raylet", "ray::DashboardHead", "haproxy"):
            assert list(judge_port(want, Listener(7, name))) == []
        (finding,) = judge_port(want, Listener(7, "redis-server"))
        assert finding.severity is Severity.WARNING
        assert "redis-server (process 7)" in finding.what
        assert finding.remedy
        assert list(judge_port(want, None))
    assert list(judge_port(endpoint_port(8000), Listener(7, "ray::ProxyActor")))
