"""openstacksdk about servers: made, worked with, given volumes and interfaces, deleted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException, NotFoundException

from support.computed import PUBLIC_KEY
from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS
SOON = {"interval": 0.2, "wait": 60}
USER_DATA = base64.b64encode(b"#!/bin/sh\n").decode()


@pytest.fixture
def network(mine: Connection, name: str) -> Any:
    made = mine.network.create_network(name=name)
    mine.network.create_subnet(network_id=made.id, ip_version=4, cidr="10.0.0.0/24")
    return made


@pytest.fixture
def server(mine: Connection, image: str, network: Any, name: str) -> Iterator[Any]:
    """With all that one can be made with."""
    mine.compute.create_keypair(name=name, public_key=PUBLIC_KEY)
    group = mine.compute.create_server_group(name=name, policy="anti-affinity")
    made = mine.compute.create_server(
        name=name,
        flavor_id=mine.compute.find_flavor("m1.nano").id,
        image_id=mine.image.find_image(image).id,
        networks=[{"uuid": network.id}],
        key_name=name,
        security_groups=[{"name": "default"}],
        user_data=USER_DATA,
        config_drive=True,
        metadata={"a": "b"},
        scheduler_hints={"group": group.id},
    )
    yield mine.compute.wait_for_server(made, **SOON)
    mine.compute.delete_server(made)
    mine.compute.wait_for_delete(made, **SOON)
    with pytest.raises(NotFoundException):
        mine.compute.get_server(made)


def test_a_server_goes_through_its_states(mine: Connection, server: Any) -> None:
    compute = mine.compute
    for act, status in (
        (compute.stop_server, "SHUTOFF"),
        (compute.start_server, "ACTIVE"),
        (compute.pause_server, "PAUSED"),
        (compute.unpause_server, "ACTIVE"),
        (compute.suspend_server, "SUSPENDED"),
        (compute.resume_server, "ACTIVE"),
    ):
        act(server)
        compute.wait_for_server(server, status=status, **SOON)
    compute.lock_server(server)
    assert compute.get_server(server).is_locked is True
    compute.unlock_server(server)
    with pytest.raises(ConflictException):
        compute.start_server(server)
    assert "login:" in compute.get_server_console_output(server)["output"]
    for kind, protocol in (("novnc", "vnc"), ("serial", "serial")):
        assert "token" in compute.create_console(server, console_type=kind, console_protocol=protocol)["url"]
    assert {"create", "stop", "start"} <= {each.action for each in compute.server_actions(server)}


@pytest.mark.parametrize("how", ["SOFT", "HARD"])
def test_a_server_is_rebooted(mine: Connection, server: Any, how: str) -> None:
    mine.compute.reboot_server(server, how)
    mine.compute.wait_for_server(server, **SOON)


def test_a_server_is_resized_rebuilt_and_kept_as_an_image(mine: Connection, server: Any, name: str) -> None:
    compute = mine.compute
    bigger = compute.find_flavor("m1.micro")
    for settle, flavor in ((compute.revert_server_resize, "m1.nano"), (compute.confirm_server_resize, "m1.micro")):
        compute.resize_server(server, bigger)
        compute.wait_for_server(server, status="VERIFY_RESIZE", **SOON)
        settle(server)
        compute.wait_for_server(server, **SOON)
        assert compute.get_server(server).flavor.original_name == flavor
    compute.rebuild_server(server, image=server.image.id, name=f"{name}x")
    assert compute.wait_for_server(server, **SOON).name == f"{name}x"
    kept = compute.create_server_image(server, f"{name}-kept", wait=True, timeout=60)
    assert mine.image.get_image(kept.id).status == "active"
    mine.image.delete_image(kept.id)


def test_a_volume_comes_and_goes(mine: Connection, server: Any, name: str) -> None:
    compute, storage = mine.compute, mine.block_storage
    volume = mine.create_volume(size=1, name=name, wait=True, timeout=60)
    compute.create_volume_attachment(server, volume)
    storage.wait_for_status(volume, "in-use", failures=["error"], **SOON)
    assert [each.volume_id for each in compute.volume_attachments(server)] == [volume.id]
    storage.extend_volume(volume, 2)
    grown = storage.wait_for_status(storage.get_volume(volume), "in-use", failures=["error_extending"], **SOON)
    assert (grown.size, "extend_volume" in {each.action for each in compute.server_actions(server)}) == (2, True)
    compute.delete_volume_attachment(server, volume)
    storage.wait_for_status(volume, "available", failures=["error"], **SOON)
    assert mine.delete_volume(volume.id, wait=True, timeout=60)


def test_an_interface_comes_and_goes(mine: Connection, server: Any, network: Any) -> None:
    compute = mine.compute
    added = compute.create_server_interface(server, net_id=network.id)
    assert added.port_id in {each.port_id for each in compute.server_interfaces(server)}
    assert mine.network.get_port(added.port_id).device_id == server.id
    there = compute.get_server_interface(added.port_id, server)
    compute.delete_server_interface(there, server)
    compute.wait_for_delete(there, **SOON)
    assert mine.network.find_port(added.port_id) is None


def test_a_server_is_changed(mine: Connection, sdk: Connection, server: Any, name: str) -> None:
    compute = mine.compute
    assert compute.update_server(server, name=f"{name}x", description="of the web").description == "of the web"
    compute.set_server_metadata(server, c="d")
    compute.delete_server_metadata(server.id, ["a"])
    assert [(each.name, each.metadata) for each in compute.servers(name=f"^{name}x$")] == [(f"{name}x", {"c": "d"})]
    for state in ("error", "active"):
        sdk.compute.reset_server_state(server, state)
        assert compute.get_server(server).status == state.upper()


def test_an_administrator_says_where_and_with_which_port(sdk: Connection, image: str, name: str) -> None:
    network = sdk.network.create_network(name=name)
    sdk.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
    port = sdk.network.create_port(network_id=network.id)
    like = {"flavor_id": sdk.compute.find_flavor("m1.nano").id, "image_id": sdk.image.find_image(image).id}
    here = {"host": "h1", "networks": [{"port": port.id}]}, {"availability_zone": "nova:h1", "networks": "none"}
    for where in here:
        made = sdk.compute.create_server(name=name, **like, **where)
        assert sdk.compute.wait_for_server(made, **SOON).compute_host == "h1"
        assert (sdk.network.get_port(port).device_id == made.id) is ("host" in where)
        assert sdk.delete_server(made.id, wait=True, timeout=60)
    sdk.network.delete_port(port)
    sdk.network.delete_network(network)


def test_the_cloud_layer_makes_a_server_that_is_reached(mine: Connection, image: str, network: Any, name: str) -> None:
    """It finds the network outside, and a floating IP, by itself; an old script gives and takes one through Compute."""
    (outside,) = mine.network.networks(is_router_external=True)
    router = mine.network.create_router(name=name, external_gateway_info={"network_id": outside.id})
    mine.network.add_interface_to_router(router, subnet_id=mine.network.get_network(network).subnet_ids[0])
    made = mine.create_server(name, image=image, flavor="m1.nano", network=network.id, wait=True, timeout=60)
    made = mine.get_server(made.id)
    (floating,) = mine.network.ips()
    assert (made.public_v4, made.private_v4) == (floating.floating_ip_address, floating.fixed_ip_address)
    for verb, fixed in (("removeFloatingIp", None), ("addFloatingIp", made.private_v4)):
        asked = {verb: {"address": floating.floating_ip_address}}
        assert mine.compute.post(f"/servers/{made.id}/action", json=asked, microversion="2.43").status_code == 202
        assert mine.network.get_ip(floating).fixed_ip_address == fixed
    assert mine.delete_server(made.id, wait=True, timeout=60, delete_ips=True)
    assert list(mine.network.ips()) == []
    mine.network.remove_interface_from_router(router, subnet_id=mine.network.get_network(network).subnet_ids[0])
    mine.network.delete_router(router)


def test_several_servers_at_once(mine: Connection, image: str, network: Any, name: str) -> None:
    mine.compute.create_server(
        name=name,
        flavor_id=mine.compute.find_flavor("m1.nano").id,
        image_id=mine.image.find_image(image).id,
        networks=[{"uuid": network.id}],
        min_count=2,
        max_count=2,
    )
    made = list(mine.compute.servers(details=False))
    assert sorted(each.name for each in made) == [f"{name}-1", f"{name}-2"]
    for each in made:
        assert mine.delete_server(each.id, wait=True, timeout=60)
