"""What an operator says of a host's networks arrives at its switch."""

from __future__ import annotations

from pathlib import Path

import pytest

from pileus.agent.networking import Networking
from pileus.agent.wire import AgentError
from pileus.agent.wiring import Wiring
from pileus.cli.parser import parser
from pileus.engines.guests import NOT_FOUND, Asked, Told
from pileus.engines.overlay.ovn.host import External, Underlay
from pileus.engines.overlay.ovn.ovsdb import Tls
from pileus.kernel.clock import SteppingClock

WIRED = Wiring(
    netns="cloud",
    external=("172.24.4.1/24", "fd00::1/64"),
    masquerade=True,
    tunnel="eth1=172.31.0.1/24",
    overlay="192.0.2.1:6642",
)


async def nobody(asked: Asked) -> Told:
    return NOT_FOUND


def networking(home: Path, wiring: Wiring) -> Networking:
    return Networking(home, "h1", wiring, SteppingClock(), nobody, lambda: home)


def test_the_words_of_the_keeper_are_read_by_the_agent() -> None:
    asked = parser().parse_args(["serve", "agent", "--state", "/s", "--control", "unix:/c", *WIRED.words()])
    names = ("netns", "physical_network", "masquerade", "tunnel", "overlay")
    assert Wiring(**{name: getattr(asked, name) for name in names}, external=tuple(asked.external)) == WIRED


def test_a_host_is_as_it_is_wired(tmp_path: Path) -> None:
    tls = Tls(tmp_path / "key", tmp_path / "certificate", tmp_path / "authority")
    host = networking(tmp_path, WIRED).host("ssl:192.0.2.1:6642", tls)
    assert host.external == External("public", WIRED.external, True)
    assert host.underlay == Underlay("eth1", "172.31.0.1/24")
    assert set(tls.words) <= set(host.daemons[-1].command)
    assert {daemon.netns for daemon in host.daemons} == {"cloud"}


def test_without_addresses_outside_a_host_does_not_reach_there(tmp_path: Path) -> None:
    assert networking(tmp_path, Wiring()).host("unix:/sb").external is None


def test_a_tunnel_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="DEVICE=ADDRESS"):
        networking(tmp_path, Wiring(tunnel="eth1")).host("unix:/sb")
