"""Every secret that a tenant gives to a cloud or is told by it: none can be read in what the cloud keeps."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from cli.conftest import Process, Up

USER_DATA, FILE, PASSWORD, BLOB = (
    "#!/bin/sh\nexport KEY=kept-by-nobody",
    "file-of-a-guest",
    "Adm1n-of-a-guest",
    "seed-of-totp",
)
IDENTITY, COMPUTE, IMAGE, VOLUME = "/identity/v3", "/compute/v2.1", "/image/v2", "/volume/v3"
PATIENCE_S = 20.0
Ask = Callable[..., dict[str, Any]]


@contextmanager
def speaking(cloud: Process, token: str) -> Iterator[tuple[Ask, Callable[[str], None]]]:
    def ask(method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        answer = client.request(method, path, json=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def upload(path: str) -> None:
        answer = client.put(path, content=b"\0" * 512, headers={"content-type": "application/octet-stream"})
        assert answer.status_code == 204

    with httpx.Client(base_url=cloud.url, headers={"x-auth-token": token}, timeout=30) as client:
        yield ask, upload


def of_identity(ask: Ask, token: str) -> Iterator[str]:
    me = ask("GET", f"{IDENTITY}/auth/tokens", **{"x-subject-token": token})["token"]
    user = me["user"]["id"]
    for given in ({"secret": "chosen-by-a-tenant"}, {}):
        named = {"application_credential": {"name": f"of {len(given)}", **given}}
        made = ask("POST", f"{IDENTITY}/users/{user}/application_credentials", named)
        yield made["application_credential"]["secret"]
    credential = {"type": "totp", "blob": BLOB, "user_id": user}
    ask("POST", f"{IDENTITY}/credentials", {"credential": credential})
    yield BLOB
    pair = ask("POST", f"{IDENTITY}/users/{user}/credentials/OS-EC2", {"tenant_id": me["project"]["id"]})
    yield pair["credential"]["secret"]
    yield ask("POST", f"{IDENTITY}/OS-OAUTH1/consumers", {"consumer": {}})["consumer"]["secret"]
    domain = ask("POST", f"{IDENTITY}/domains", {"domain": {"name": "garden"}})["domain"]["id"]
    ldap = {"url": "ldap://one.example", "user_tree_dn": "dc=one", "password": "of-a-directory"}
    ask("PUT", f"{IDENTITY}/domains/{domain}/config", {"config": {"identity": {"driver": "ldap"}, "ldap": ldap}})
    yield ldap["password"]


def of_compute(ask: Ask, upload: Callable[[str], None]) -> Iterator[str]:
    image = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    image_id = ask("POST", f"{IMAGE}/images", image)["id"]
    upload(f"{IMAGE}/images/{image_id}/file")
    flavor = ask("POST", f"{COMPUTE}/flavors", {"flavor": {"name": "f", "ram": 64, "vcpus": 1, "disk": 1}})["flavor"]
    key = ask("POST", f"{COMPUTE}/os-keypairs", {"keypair": {"name": "k"}})["keypair"]
    yield key["private_key"].split("\n")[2]
    encoded = {text: base64.b64encode(text.encode()).decode() for text in (USER_DATA, FILE)}
    server = {"name": "s", "imageRef": image_id, "flavorRef": flavor["id"], "adminPass": PASSWORD, "key_name": "k"}
    server |= {"user_data": encoded[USER_DATA], "personality": [{"path": "/f", "contents": encoded[FILE]}]}
    made = ask("POST", f"{COMPUTE}/servers", {"server": server})["server"]["id"]
    yield from (PASSWORD, USER_DATA, FILE, *encoded.values())
    until = time.monotonic() + PATIENCE_S
    while ask("GET", f"{COMPUTE}/servers/{made}")["server"]["status"] != "ACTIVE" and time.monotonic() < until:
        continue
    shown = ask("POST", f"{COMPUTE}/servers/{made}/action", {"os-getSerialConsole": {"type": "serial"}})["console"]
    yield shown["url"].partition("token=")[2]


def of_volumes(ask: Ask) -> Iterator[str]:
    volume = ask("POST", f"{VOLUME}/volumes", {"volume": {"size": 1}})["volume"]["id"]
    until = time.monotonic() + PATIENCE_S
    while ask("GET", f"{VOLUME}/volumes/{volume}")["volume"]["status"] != "available" and time.monotonic() < until:
        continue
    yield ask("POST", f"{VOLUME}/os-volume-transfer", {"transfer": {"volume_id": volume}})["transfer"]["auth_key"]


def test_no_secret_of_a_tenant_can_be_read(up: Up) -> None:
    cloud = up()
    token = cloud.token()
    with speaking(cloud, token) as (ask, upload):
        secrets = [token, *of_identity(ask, token), *of_compute(ask, upload), *of_volumes(ask)]
    assert all(secrets)
    cloud.stop()
    kept = {path: path.read_bytes() for path in cloud.state.rglob("*") if path.is_file()}
    found = {(secret, path.name) for secret in secrets for path, data in kept.items() if secret.encode() in data}
    assert not found
