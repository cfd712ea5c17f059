"""The events of a running cloud, followed over a socket as `curl -N` does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from cli.conftest import Process, Up


@pytest.fixture
def follow(up: Up) -> Iterator[tuple[Process, Iterator[str]]]:
    """A cloud, and the lines of its stream from now on."""
    cloud = up()
    headers = {"x-auth-token": cloud.token(), "accept": "text/event-stream"}
    with httpx.stream("GET", f"{cloud.url}/pileus/v1/events", headers=headers, timeout=30) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines).startswith("retry: ")
        yield cloud, lines
    assert cloud.stop() == 0  # an open stream does not hold its end for ever


def test_a_change_is_told_while_it_is_followed(follow: tuple[Process, Iterator[str]]) -> None:
    cloud, lines = follow
    for name in ("one", "two"):
        made = cloud.ask("POST", "/identity/v3/projects", json={"project": {"name": name}}).json()["project"]
        told = next(line for line in lines if line.startswith("data: "))
        event = json.loads(told.removeprefix("data: "))
        assert (event["kind"], event["verb"]) == ("identity.project", "created")
        assert event["subject_id"].replace("-", "") == made["id"]


def test_the_end_of_the_cloud_ends_the_stream(follow: tuple[Process, Iterator[str]]) -> None:
    """At once and whole: the process does not wait for its followers, and they are told to come back."""
    cloud, lines = follow
    cloud.popen.terminate()
    assert ": this process ends, come back" in list(lines)
