"""`pileus explain`: why something is as it is. Asks the cloud by HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from pileus.cli import Failure
from pileus.cli.remote import remote, say

MARKS = {True: "yes", False: "no", None: "open"}
REACHES = {True: "reached", False: "not reached", None: "not known"}
ANSWERS = {True: "yes", False: "no", None: "it depends on the target"}


def policy(asked: argparse.Namespace) -> int:
    found = remote(asked).ask("POST", "/explain", {"explain": question(asked)})["explanation"]
    if asked.json:
        return say(found)
    print("\n".join(told(found)))
    return 0


def reach(asked: argparse.Namespace) -> int:
    body = {"port_id": asked.port, "source": asked.source, "protocol": asked.protocol, "port": asked.number}
    said = {name: value for name, value in body.items() if value is not None}
    found = remote(asked).ask("POST", "/explain/reach", {"reach": said})["explanation"]
    if asked.json:
        return say(found)
    print("\n".join(on_the_way(asked.port, found)))
    return 0


def on_the_way(port: str, found: dict[str, Any]) -> Iterator[str]:
    """The answer as people read it: the verdict, each thing on the way, what would mend it, and what the overlay does."""
    yield f"{REACHES[found['reached']]}: {port}"
    for each in found["findings"]:
        yield f"  {MARKS[each['passes']]:4} {each['what']}: {each['why']}"
        if each["mends"]:
            yield f"       {'':{len(each['what'])}}  {each['mends']}"
    if found["trace"]:
        yield ""
        yield from found["trace"]


def question(asked: argparse.Namespace) -> dict[str, Any]:
    """Raises Failure."""
    body: dict[str, Any] = {"rule": asked.rule}
    if asked.user:
        body["user"] = {"name": asked.user, "domain": {"name": asked.user_domain}}
    if wanted := scope(asked):
        if not asked.user:
            raise Failure("a scope is for a user: add --user NAME")
        body["scope"] = wanted
    if asked.target:
        body["target"] = dict(map(attribute, asked.target))
    return body


def scope(asked: argparse.Namespace) -> dict[str, Any]:
    if asked.system:
        return {"system": {"all": True}}
    if asked.domain:
        return {"domain": {"name": asked.domain}}
    if asked.project:
        return {"project": {"name": asked.project, "domain": {"name": asked.project_domain}}}
    return {}


def attribute(text: str) -> tuple[str, str]:
    """Raises Failure."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Failure(f"--target {text}: say NAME=VALUE, as target.user.domain_id=default")
    return name, value


def told(found: dict[str, Any]) -> Iterator[str]:
    """The answer as people read it: the verdict, who, what, and then each part of the rule."""
    yield f"{ANSWERS[found['allowed']]}: {found['rule']}"
    if found["caller"]:
        yield f"  who       {named(found['caller'])}"
    if found["operations"]:
        yield f"  for       {', '.join(found['operations'])}"
    if found["role"]:
        yield f"  would do  the role {found['role']} there"
    if found["allowed"] is None:
        yield f"  say       {' '.join(f'--target {name}=...' for name in found['looks_at'])}"
    yield ""
    yield from parts(found["why"], 0)


def named(caller: dict[str, Any]) -> str:
    where = f"project {caller['project_id']}" if caller["project_id"] else "no scope"
    where = f"domain {caller['domain_id']}" if caller["domain_id"] else where
    where = "the system" if caller["system"] else where
    return f"{caller['user_name']}, in {where}, with {', '.join(caller['roles']) or 'no role'}"


def parts(part: dict[str, Any], depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{MARKS[part['outcome']]:4} {part['text']}: {part['why']}"
    for inner in part.get("parts", ()):
        yield from parts(inner, depth + 1)


def subject(asked: argparse.Namespace) -> int:
    """What was done with a server or a volume: its operations, oldest first, each step with its time and cause."""
    cloud = remote(asked)
    listed = cloud.ask("GET", f"/operations?subject_id={quote(asked.id, safe='')}")["operations"]
    found = [cloud.ask("GET", f"/operations/{each['id']}")["operation"] for each in reversed(listed)]
    if asked.json:
        return say(found)
    print("\n".join(done(asked.id, found)))
    return 0


def done(subject_id: str, operations: list[dict[str, Any]]) -> Iterator[str]:
    """Operations as people read them."""
    if not operations:
        yield f"{subject_id}: no operation is known here; they are forgotten after a while"
    for operation in operations:
        yield f"{operation['created_at']}  {operation['saga']}  {operation['state']}  {operation['request_id']}"
        if operation["cause"]:
            yield f"    because {operation['cause']}"
        for line in operation["log"]:
            took = f"{line['took_ms']:.0f} ms" if line["took_ms"] else ""
            first, *more = (line["note"] or "").split("\n")
            yield f"    {line['at']}  {line['event']:10} {line['step']:24} {took:>9}  {first}".rstrip()
            yield from (f"        {each}" for each in more)
