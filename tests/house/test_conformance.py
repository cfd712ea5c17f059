"""The verdicts of the conformance run: what has not passed counts, unless it is listed with a reason."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance import disk, sets, tempest
from conformance.cloud import Cloud
from conformance.sets import Mistake, Set, all_sets, exemptions, permitted
from conformance.verdict import Verdict, judged, table
from pileus.engines import disk_formats

HERE = Path(sets.__file__).parent
CLOUD = Cloud("http://127.0.0.1:1/identity/v3", "admin", "pa$$", "one", "token", {"identity": "", "image": ""})


def said(test: str, outcome: str, why: str = "") -> dict[str, Any]:
    return {"test": test, "outcome": outcome, "why": why, "seconds": 0.1}


def verdict(*events: dict[str, Any], wanted: Sequence[str] = ("a.B.test_c",), exempt: Sequence[str] = ()) -> Verdict:
    return judged(wanted, events, exempt)


def test_a_test_that_passes_is_no_problem() -> None:
    assert verdict(said("a.B.test_c[id-1,smoke]", "passed")).problems == []


@pytest.mark.parametrize("outcome", ["failed", "skipped", "cut"])
def test_what_has_not_passed_is_a_problem_with_its_cause(outcome: str) -> None:
    assert verdict(said("a.B.test_c", outcome, "why")).problems == [f"a.B.test_c: {outcome}: why"]
    assert verdict(said("a.B.test_c", outcome, "why"), exempt=["a.B.test_c"]).problems == []


def test_what_was_not_run_is_a_problem() -> None:
    assert verdict().problems == ["a.B.test_c: not run: "]


def test_a_class_that_fails_or_is_skipped_takes_its_tests_with_it() -> None:
    done = verdict(said("setUpClass (a.B)", "failed", "no user"), wanted=["a.B.test_c", "a.B.test_d", "a.X.test_e"])
    assert [each.outcome for each in done.results] == ["failed", "failed", "not run"]
    assert done.problems[0] == "a.B.test_c: failed: setUpClass: no user"


def test_a_class_that_cannot_clean_up_is_a_problem() -> None:
    events = said("a.B.test_c", "passed"), said("tearDownClass (a.B)", "failed", "409")
    assert verdict(*events).problems == ["tearDownClass (a.B): 409"]
    assert verdict(*events, exempt=["a.B"]).problems == []


def test_an_exception_that_passes_is_a_problem() -> None:
    done = verdict(said("a.B.test_c", "passed"), exempt=["a.B.test_c"])
    assert done.problems == ["a.B.test_c: passes, but is listed as an exception"]


def test_the_table_counts_each_set() -> None:
    results = verdict(said("a.B.test_c", "passed"), wanted=["a.B.test_c", "a.B.test_d"]).results
    lines = table({"one": ["a.B.test_c"], "both": ["a.B.test_c", "a.B.test_d"]}, results).splitlines()
    assert lines[2:] == ["| one | 1 | 1 | 0 | 0 | 0 | 0 |", "| both | 2 | 1 | 0 | 0 | 0 | 1 |"]


def test_a_set_that_lost_tests_is_refused() -> None:
    assert Set(count=2, matching="a").of(["a.x", "b.y", "a.z"]) == ["a.x", "a.z"]
    with pytest.raises(Mistake, match="1 tests instead of 2"):
        Set(count=2, matching="a").of(["a.x", "b.y"])
    with pytest.raises(Mistake, match=re.escape("missing: ['b']")):
        Set(count=2, tests=("a", "b")).of(["a", "c"])


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("a.B.test_c", "line 1"),
        ("a.B.test_c too-hard", "external-idp, test-bug, later"),
        ("a.B.test_c later", "needs the verb"),
        ("a.B.test_c test-bug", "needs the link"),
        ("a.B.test_c test-bug see-below", "needs the link"),
        ("a.B.test_c external-idp\na.B.test_c external-idp", "line 2: a.B.test_c is there twice"),
    ],
)
def test_an_exception_needs_a_reason(tmp_path: Path, line: str, cause: str) -> None:
    (tmp_path / "identity.txt").write_text(line)
    with pytest.raises(Mistake, match=cause):
        exemptions("identity", tmp_path)


def test_exceptions_are_few(tmp_path: Path) -> None:
    of_both = sum(each.count for each in all_sets().values() if each.exceptions == "identity")
    lines = [f"a.B.test_{n} external-idp # a remark\n" for n in range(of_both // 50 + 1)]
    (tmp_path / "identity.txt").write_text("".join(lines[1:]))
    assert len(permitted(["identity", "identity-rbac"], tmp_path)) == of_both // 50
    with (tmp_path / "identity.txt").open("a") as file:
        file.write("a.B.test_0 later to create a thing\n")
    assert permitted(["identity"], tmp_path)["a.B.test_0"].about == "to create a thing"
    (tmp_path / "identity.txt").write_text("".join([*lines[1:], "a.B external-idp\n"]))
    assert permitted(["identity"], tmp_path), "what a class leaves behind is no test that fails"
    (tmp_path / "identity.txt").write_text("".join(lines))
    with pytest.raises(Mistake, match="more than 2%"):
        permitted(["identity"], tmp_path)


def test_the_sets_and_their_exceptions_are_in_order() -> None:
    assert permitted(all_sets())
    assert all(bool(each.tests) != bool(each.matching) and each.count > 0 for each in all_sets().values())


def test_tempest_is_told_where_who_and_which_services() -> None:
    file = io.StringIO()
    ground = {"compute": {"image_ref": "1"}, "network": {"public_network_id": "2"}}
    tempest.written(tempest.options(CLOUD, ground, Path("/w"))).write(file)
    lines = file.getvalue().splitlines()
    for line in ("uri_v3 = http://127.0.0.1:1/identity/v3", "admin_password = pa$$$$", "glance = true", "nova = false"):
        assert line in lines
    assert {"image_ref = 1", "flavor_ref = 42", "public_network_id = 2"} < set(lines)


def test_tempest_and_the_cloud_are_told_the_same_of_passwords() -> None:
    cloud = tomllib.loads((HERE / "cloud.toml").read_text())["identity"]
    told = tomllib.loads((HERE / "tempest.toml").read_text())["identity"]
    assert cloud["lockout_failure_attempts"] == told["user_lockout_failure_attempts"]
    assert cloud["lockout_duration_s"] == told["user_lockout_duration"]
    assert cloud["unique_last_password_count"] == told["user_unique_last_password_count"]


def test_what_the_run_installs_is_locked() -> None:
    wanted = [line for line in (HERE / "requirements.in").read_text().splitlines() if line and line[0] != "#"]
    locked = (HERE / "requirements.lock").read_text()
    assert wanted
    assert all(f"{line} \\" in locked for line in wanted)
    assert "://" not in locked


def test_the_disk_is_what_image_takes() -> None:
    data = disk.empty_qcow2()

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    found = disk_formats.check(read, len(data), declared="qcow2", most_virtual_bytes=disk.SIZE)
    assert found.virtual_size == disk.SIZE
