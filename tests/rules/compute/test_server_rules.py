"""What a server is called, uses and may be asked; regular expressions that cannot be made to think."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
import sqlalchemy as sa

from pileus.kernel.errors import BadRequest
from pileus.services.compute.flavors.service import Flavor
from pileus.services.compute.servers import rules
from pileus.services.compute.servers.patterns import matches

ID = UUID(int=1)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("web", "web"),
        ("My Server_1.x", "my-server-1-x"),
        ("Zürich", "zurich"),
        ("---", "d"),
        ("х", "d"),
        ("a" * 80, "a" * 63),
    ],
)
def test_a_host_name_has_letters_digits_and_hyphens(name: str, called: str) -> None:
    assert rules.hostname_of(name, "d") == called


def test_every_state_has_a_status_and_every_status_its_states() -> None:
    for state, names in rules.STATUS.items():
        for task in names:
            assert state in rules.STATES_OF_STATUS[rules.status_of(state, None if task == "default" else task)]
    assert rules.status_of("odd", None) == "UNKNOWN"


def test_a_refusal_says_what_stands_against_it() -> None:
    with pytest.raises(rules.WrongState, match=f"Cannot 'stop' instance {ID} while it is in vm_state paused"):
        rules.check("stop", ID, "paused", None)
    with pytest.raises(rules.WrongState, match="task_state rebuilding"):
        rules.check("stop", ID, "active", "rebuilding")
    rules.check("reset_state", ID, "anything", "whatever")


def test_what_a_flavor_uses_of_its_host() -> None:
    specs = {"resources:CUSTOM_X": "2", "resources:VCPU": "0"}
    flavor = Flavor(
        id="f", name="f", memory_mib=64, vcpus=1, disk_gib=1, ephemeral_gib=2, swap_mib=1025, extra_specs=specs
    )
    used = rules.resources_of(flavor, local_root=True)
    assert used == {"MEMORY_MB": 64, "DISK_GB": 5, "CUSTOM_X": 2}
    assert rules.resources_of(flavor, local_root=False)["DISK_GB"] == 4
    assert rules.largest(used, {"VCPU": 3, "DISK_GB": 1}) == {**used, "VCPU": 3}


COLUMN = sa.column("name", sa.Text)


@pytest.mark.parametrize(
    ("pattern", "glob", "regex"),
    [
        ("web", "*web*", "web"),
        ("^web", "web*", "^web"),
        ("^web$", "web", "^web$"),
        ("w.b", "*w?b*", "w.b"),
        ("w.*b", "*w*b*", "w.*b"),
        ("[a-c]1", "*[a-c]1*", "[a-c]1"),
        ("a\\.b", "*a.b*", "a\\.b"),
        ("a-b", "*a-b*", "a\\-b"),
        ("[0-9]+a", "*[0-9]a*", "[0-9]+a"),
        ("^a.*[0-9]+$", "a*[0-9]", "^a.*[0-9]+$"),
    ],
)
def test_an_expression_means_the_same_on_both_databases(pattern: str, glob: str, regex: str) -> None:
    for dialect, said in (("sqlite", glob), ("postgresql", regex)):
        compiled = matches(COLUMN, "name", pattern, dialect).compile()
        assert list(compiled.params.values()) == [said]


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "a{9}", "a**", "[a", "\\d", "x" * 256, "(?=a)", "*", "^[a]+b", "1[0-9]+$", "-[^a]+$", "[a][b]+$"],
)
def test_an_expression_that_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(BadRequest):
        matches(COLUMN, "name", pattern, "sqlite")


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        (r"^.*\-web\-[0-9]+$", ["a-web-1", "b-web-1-web-22"]),
        ("^[a-c0-9]+$", ["abc1"]),
        ("web[0-9]+", ["web7", "xweb12-"]),
        ("^web[0-9]+$|^x", ["web7", "xweb12-"]),
    ],
)
def test_a_set_is_repeated_where_that_costs_nothing(pattern: str, matched: list[str]) -> None:
    names = ["a-web-1", "b-web-1-web-22", "a-web-1b", "a-web-", "abc1", "web7", "xweb12-", "-"]
    with sa.create_engine("sqlite://").connect() as db:
        found = [each for each in names if db.scalar(sa.select(matches(sa.literal(each), "name", pattern, "sqlite")))]
    assert found == matched == [each for each in names if re.search(pattern, each)]
