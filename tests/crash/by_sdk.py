"""A tenant's life by openstacksdk, as programs of users live it: they ask, wait for the end, and give up when it goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import HttpException, SDKException

from crash.tenants import COMPUTE, IMAGE, NETWORK, TINY, VOLUME, History
from crash.witness import Witness

WAIT_S, LOOK_S = 60, 0.5


@dataclass
class Life:
    """Blocks. What it was told counts for the witness, in whose project nobody else does anything."""

    sdk: Connection
    witness: Witness

    def live(self) -> None:
        """One story after the other, until all is over; what the last one left behind goes first."""
        history = self.history
        while history.left > 0:
            try:
                self.clear()
                self.story()
                history.counted["a story by openstacksdk"] += 1
            except (SDKException, ClientException) as e:
                if isinstance(e, HttpException):
                    history.judge(e.status_code, f"openstacksdk: {e}")
                history.counted[f"a story by openstacksdk ended by {type(e).__name__}"] += 1
                threading.Event().wait(LOOK_S)

    @property
    def history(self) -> History:
        return self.witness.history

    def story(self) -> None:
        """A server on a network of its own, with a volume and an image of it; then nothing any more."""
        compute, storage, network = self.sdk.compute, self.sdk.block_storage, self.sdk.network
        waits: dict[str, Any] = {"interval": LOOK_S, "wait": WAIT_S}
        net = self.made(NETWORK, "networks", network.create_network(name="sdk"))
        network.create_subnet(network_id=net.id, ip_version=4, cidr="10.250.0.0/24", name="sdk")
        volume = self.made(VOLUME, "volumes", storage.create_volume(size=1, name="sdk"))
        image = self.history.image
        server = compute.create_server(name="sdk", flavor_id=TINY, image_id=image, networks=[{"uuid": net.id}])
        self.made(COMPUTE, "servers", server)
        compute.wait_for_server(server, **waits)
        storage.wait_for_status(volume, "available", failures=["error"], **waits)
        attachment = compute.create_volume_attachment(server, volume_id=volume.id)
        storage.wait_for_status(volume, "in-use", failures=["error"], **waits)
        compute.stop_server(server)
        compute.wait_for_server(server, status="SHUTOFF", **waits)
        self.made(IMAGE, "images", compute.create_server_image(server, "sdk", wait=True, timeout=WAIT_S))
        compute.start_server(server)
        compute.wait_for_server(server, **waits)
        compute.delete_volume_attachment(server, attachment)
        storage.wait_for_status(volume, "available", failures=["error"], **waits)
        self.clear()

    def clear(self) -> None:
        compute, storage, network, image = self.sdk.compute, self.sdk.block_storage, self.sdk.network, self.sdk.image
        for server in list(compute.servers(name="^sdk$")):
            self.deleted(COMPUTE, "servers", server, compute.delete_server)
            compute.wait_for_delete(server, interval=LOOK_S, wait=WAIT_S)
        for volume in list(storage.volumes(name="sdk")):
            self.deleted(VOLUME, "volumes", volume, storage.delete_volume)
        for each in list(image.images(name="sdk")):
            self.deleted(IMAGE, "images", each, image.delete_image)
        for net in list(network.networks(name="sdk")):
            self.deleted(NETWORK, "networks", net, network.delete_network)

    def made(self, service: str, kind: str, made: Any) -> Any:
        """It is there now, until somebody deletes it."""
        self.witness.made[made.id] = f"{service}/{kind}/{made.id}"
        return made

    def deleted(self, service: str, kind: str, what: Any, delete: Callable[..., Any]) -> None:
        """Nothing is known of it while it is not told whether it was."""
        self.witness.made.pop(what.id, None)
        delete(what, ignore_missing=True)
        self.witness.gone.add(f"{service}/{kind}/{what.id}")
