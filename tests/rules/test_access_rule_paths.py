"""Paths of access rules against paths of requests."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.identity.application_credentials.rules import AccessRule, pattern, reach


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        ("/v2.1/servers", ["/v2.1/servers"], ["/v2.1/servers/", "/v2.1/server", "/v2x1/servers", "/v2.1/servers/x"]),
        ("/v2.1/servers/*/ips", ["/v2.1/servers/x/ips"], ["/v2.1/servers//ips", "/v2.1/servers/x/y/ips"]),
        ("/v2.1/servers/{server_id}", ["/v2.1/servers/x"], ["/v2.1/servers/", "/v2.1/servers/x/y"]),
        ("/v3/**", ["/v3/", "/v3/a", "/v3/a/b"], ["/v3", "/v2/a"]),
        ("/v3/**/tags", ["/v3/a/tags", "/v3/a/b/tags", "/v3//tags"], ["/v3/tags", "/v3/a/tags/b"]),
        ("/a*c", ["/abc", "/abbc"], ["/ac", "/ab/c"]),
        ("/{unclosed", ["/{unclosed"], ["/x"]),
        ("/***", ["/", "/a/b"], ["x"]),
        ("/", ["/"], ["", "//"]),
    ],
)
def test_wildcards(rule: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes if not pattern(rule).matches(path)] == []
    assert [path for path in no if pattern(rule).matches(path)] == []


PARTS = {"*": "[^/]+", "**": ".*", "{x}": "[^/]+", "/": "/", "a": "a", "b": "b"}


@given(st.lists(st.sampled_from(sorted(PARTS)), max_size=6), st.text("ab/", max_size=9))
def test_it_is_what_a_regular_expression_would_say(parts: list[str], path: str) -> None:
    if "***" not in "".join(parts):
        whole = re.sub(r"\*\*|\*|{x}|/|a|b", lambda part: PARTS[part[0]], "".join(parts))
        assert pattern("".join(parts)).matches(path) == bool(re.fullmatch(whole, path))


def test_nobody_can_make_it_slow() -> None:
    began = time.process_time()
    assert not pattern("/" + "**a" * 74).matches("/" + "a" * 8000 + "b")
    assert time.process_time() - began < 1


def test_an_escaped_slash_is_no_slash() -> None:
    reaches = reach([AccessRule("1", "identity", "/v3/users/*/projects", "GET")])
    assert reaches({"identity"}, "GET", ["v3", "users", "x", "projects"])
    assert not reaches({"identity"}, "GET", ["v3", "users", "x/projects"])
    assert not reaches({"identity"}, "HEAD", ["v3", "users", "x", "projects"])
    assert not reaches({"compute"}, "GET", ["v3", "users", "x", "projects"])
