"""Commands that ask a running cloud over HTTP, as any client would: operations, checkpoints."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from pileus.cli import Failure
from pileus.cli.state import default_state

ANSWERS_WITHIN_S = 60.0
VERIFIES_WITHIN_S = 1800.0  # all that a large cloud has
AUTH = {
    "OS_AUTH_URL": "auth_url",
    "OS_USERNAME": "username",
    "OS_PASSWORD": "password",
    "OS_PROJECT_NAME": "project_name",
    "OS_PROJECT_ID": "project_id",
    "OS_USER_DOMAIN_ID": "user_domain_id",
    "OS_USER_DOMAIN_NAME": "user_domain_name",
    "OS_PROJECT_DOMAIN_ID": "project_domain_id",
    "OS_PROJECT_DOMAIN_NAME": "project_domain_name",
}


@dataclass(frozen=True)
class Account:
    """Who asks which cloud: what clouds.yaml and the environment call `auth`, and the CA to trust."""

    auth: Mapping[str, str]
    ca: str | None


def account(state: str | None, environment: Mapping[str, str]) -> Account:
    """From --state; else from OS_CLOUD, OS_AUTH_URL and their kin; else from the default state. Raises Failure."""
    if state is None and (environment.get("OS_CLOUD") or environment.get("OS_CLIENT_CONFIG_FILE")):
        path = Path(environment.get("OS_CLIENT_CONFIG_FILE") or "clouds.yaml")
        return account_of_file(path, environment.get("OS_CLOUD") or "pileus")
    if state is None and environment.get("OS_AUTH_URL"):
        auth = {key: environment[name] for name, key in AUTH.items() if environment.get(name)}
        return Account(auth, environment.get("OS_CACERT"))
    return account_of_file(Path(state or default_state()) / "clouds.yaml", "pileus")


def account_of_file(path: Path, name: str) -> Account:
    try:
        cloud = yaml.safe_load(path.read_text())["clouds"][name]
        return Account({key: str(value) for key, value in cloud["auth"].items()}, cloud.get("cacert"))
    except OSError as e:
        raise Failure(f"no cloud to ask: {path}: {e.strerror}; name its state by --state, or set OS_CLOUD") from e
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as e:
        raise Failure(f"{path} does not describe a cloud {name!r} with `auth`") from e


class Remote:
    """A cloud that was logged in to."""

    def __init__(self, account: Account) -> None:
        self._tls = ssl.create_default_context(cafile=account.ca) if account.ca else None
        self._headers: dict[str, str] = {}
        try:
            url = account.auth["auth_url"].rstrip("/").removesuffix("/v3")
            body = login(account.auth)
        except KeyError as e:
            raise Failure(f"the account lacks {e.args[0]}") from e
        answer, headers = self._send("POST", f"{url}/v3/auth/tokens", body)
        self._headers["X-Auth-Token"] = headers["X-Subject-Token"]
        identity = [s for s in answer["token"].get("catalog", ()) if s["type"] == "identity"]
        if not identity:
            raise Failure("the login has no catalogue: it needs a project")
        self._base = identity[0]["endpoints"][0]["url"].rstrip("/").removesuffix("/v3").removesuffix("/identity")

    def ask(
        self, method: str, path: str, body: Any = None, *, within_s: float = ANSWERS_WITHIN_S, at: str = "/pileus/v1"
    ) -> Any:
        """What the cloud answers at that path under `at`. Raises Failure with its words when it refuses."""
        return self._send(method, f"{self._base}{at}{path}", body, within_s)[0]

    def _send(
        self, method: str, url: str, body: Any, within_s: float = ANSWERS_WITHIN_S
    ) -> tuple[Any, Mapping[str, str]]:
        if not url.startswith(("http://", "https://")):
            raise Failure(f"{url} is no http address")
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Accept": "application/json", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 (http only: see above)
        try:
            with urllib.request.urlopen(request, timeout=within_s, context=self._tls) as answer:  # noqa: S310
                text = answer.read()
                return (json.loads(text) if text else None), answer.headers
        except urllib.error.HTTPError as e:
            raise Failure(f"{e.code} {refusal(e.read(), e.reason)}") from e
        except (OSError, ValueError) as e:
            raise Failure(f"the cloud at {url} does not answer: {getattr(e, 'reason', e)}") from e


def login(auth: Mapping[str, str]) -> dict[str, Any]:
    """The body of a password login. Raises KeyError."""
    user = {"name": auth["username"], "password": auth["password"], "domain": domain(auth, "user")}
    project = {"id": auth["project_id"]} if "project_id" in auth else {"name": auth["project_name"]}
    if "id" not in project:
        project["domain"] = domain(auth, "project")  # type: ignore[assignment]
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": project}}}


def domain(auth: Mapping[str, str], whose: str) -> dict[str, str]:
    name = auth.get(f"{whose}_domain_name")
    return {"name": name} if name else {"id": auth.get(f"{whose}_domain_id", "default")}


def refusal(body: bytes, reason: str) -> str:
    """What a fault says, in whichever shape."""
    try:
        document = json.loads(body)
        return str(next(iter(document.values()))["message"])
    except (ValueError, AttributeError, StopIteration, KeyError, TypeError):
        return reason


def remote(asked: argparse.Namespace) -> Remote:
    return Remote(account(asked.state, os.environ))


def list_operations(asked: argparse.Namespace) -> int:
    query = {"state": asked.in_state, "subject_id": asked.subject, "limit": asked.limit}
    path = "/operations?" + urlencode({name: value for name, value in query.items() if value is not None})
    found = remote(asked).ask("GET", path)["operations"]
    if asked.json:
        return say(found)
    table(found, ("id", "saga", "state", "step", "subject_id", "created_at", "cause"))
    return 0


def show_operation(asked: argparse.Namespace) -> int:
    found = remote(asked).ask("GET", f"/operations/{quote(asked.id, safe='')}")["operation"]
    if asked.json:
        return say(found)
    for name, value in found.items():
        if name != "log" and value is not None:
            print(f"{name:12} {value if isinstance(value, str) else json.dumps(value)}")
    print()
    table(found["log"], ("at", "step", "event", "took_ms", "note"))
    return 0


def retry_operation(asked: argparse.Namespace) -> int:
    return act(asked, "retry")


def cancel_operation(asked: argparse.Namespace) -> int:
    return act(asked, "cancel")


def act(asked: argparse.Namespace, action: str) -> int:
    remote(asked).ask("POST", f"/operations/{quote(asked.id, safe='')}/action", {action: None})
    return 0


def save_checkpoint(asked: argparse.Namespace) -> int:
    return show_checkpoints(
        asked, [remote(asked).ask("POST", "/checkpoints", {"checkpoint": {"name": asked.name}})["checkpoint"]]
    )


def list_checkpoints(asked: argparse.Namespace) -> int:
    return show_checkpoints(asked, remote(asked).ask("GET", "/checkpoints")["checkpoints"])


def show_checkpoints(asked: argparse.Namespace, found: list[dict[str, Any]]) -> int:
    if asked.json:
        return say(found)
    table(found, ("name", "created_at", "size_bytes"))
    return 0


def reset(asked: argparse.Namespace) -> int:
    remote(asked).ask("POST", "/reset", {"reset": {"name": asked.name} if asked.name else {}})
    return 0


def add_fault(asked: argparse.Namespace) -> int:
    said = [word.partition("=") for word in asked.words]
    if wrong := [name for name, sign, _ in said if not sign]:
        raise Failure(f"{wrong[0]}: a fault is said in words like status=503; docs/testing-clients.md has them all")
    wanted = {name: value for name, _, value in said}
    return show_faults(asked, [remote(asked).ask("POST", "/faults", {"fault": wanted}, at="")["fault"]])


def list_faults(asked: argparse.Namespace) -> int:
    return show_faults(asked, remote(asked).ask("GET", "/faults", at="")["faults"])


def show_faults(asked: argparse.Namespace, found: list[dict[str, Any]]) -> int:
    if asked.json:
        return say(found)
    own = ("id", "seen", "hits", "created_at", "ends_at")
    words = [" ".join(f"{name}={value}" for name, value in fault.items() if name not in own) for fault in found]
    rows = [{**fault, "fault": said} for fault, said in zip(found, words, strict=True)]
    table(rows, ("id", "hits", "ends_at", "fault"))
    return 0


def clear_faults(asked: argparse.Namespace) -> int:
    remote(asked).ask("DELETE", f"/faults/{quote(asked.id, safe='')}" if asked.id else "/faults", at="")
    return 0


def verify(asked: argparse.Namespace) -> int:
    """1 when something differs, or could not be looked at."""
    wanted = {"verify": {"checks": asked.checks}}
    report = remote(asked).ask("POST", "/verify", wanted, within_s=VERIFIES_WITHIN_S)["report"]
    if asked.json:
        say(report)
        return 0 if report["clean"] else 1
    if report["differences"]:
        table(report["differences"], ("subject", "subject_id", "host", "cause"))
    for engine, cause in report["unseen"].items():
        print(f"could not look at {engine}: {cause}")
    print(f"{len(report['checks'])} checks, {len(report['differences'])} differences")
    return 0 if report["clean"] else 1


def say(document: Any) -> int:
    print(json.dumps(document, indent=2))
    return 0


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """The rows in columns as wide as they need; the last one as long as it is."""
    cells = [columns, *(tuple("" if row[c] is None else str(row[c]) for c in columns) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
