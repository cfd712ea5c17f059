"""The cloud that is tried: `pileus up --simulate --ephemeral` on a free port, gone afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

HERE = Path(__file__).parent
ENDS_WITHIN_S = 30
LOG = "pileus.log"
DOWNLOADS = """
[image]
download_networks = ["127.0.0.0/8"]
download_ports = [80, 443, {port}]
"""


@dataclass(frozen=True)
class Cloud:
    """Where it answers, who its administrator is, a token of theirs, and where each type of service is."""

    auth_url: str
    username: str
    password: str
    region: str
    token: str
    urls: Mapping[str, str]


@contextmanager
def started(out: Path, port: int) -> Iterator[Cloud]:
    """The cloud while the block runs, whose Image may fetch from this machine at that port; its log stays in `out`.

    Raises RuntimeError when it does not start.
    """
    state, options = out / "state", out / "cloud.toml"
    options.write_text((HERE / "cloud.toml").read_text() + DOWNLOADS.format(port=port))
    command = [Path(sys.executable).with_name("pileus"), "up", "--simulate", "--ephemeral", "--state", state]
    command += ["--listen", "127.0.0.1:0", "--simulate-hosts", "2", "--config", options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise RuntimeError(f"the cloud ended with {process.wait()}")
        yield described(state / "clouds.yaml")
    finally:
        if (state / LOG).exists():
            shutil.copy(state / LOG, out / LOG)
        process.terminate()
        process.wait(ENDS_WITHIN_S)


def described(clouds: Path) -> Cloud:
    """What the file says of the cloud, and its catalogue of the cloud itself."""
    facts = yaml.safe_load(clouds.read_text())["clouds"]["pileus"]
    auth = facts["auth"]
    url = f"{auth['auth_url']}/v3"
    user = {"name": auth["username"], "password": auth["password"], "domain": {"id": auth["user_domain_id"]}}
    scope = {"project": {"name": auth["project_name"], "domain": {"id": auth["project_domain_id"]}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = httpx.post(f"{url}/auth/tokens", json=body).raise_for_status()
    catalog = answer.json()["token"]["catalog"]
    urls = {service["type"]: service["endpoints"][0]["url"] for service in catalog}
    return Cloud(url, auth["username"], auth["password"], facts["region_name"], answer.headers["X-Subject-Token"], urls)
