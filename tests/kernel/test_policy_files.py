"""Operators' policy files: what they may say, and what they are told when they say it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pileus.kernel.context import Caller
from pileus.kernel.policy import Policy, PolicyError, check_file

DEFAULTS = {
    "compute/context_is_admin": "role:admin",
    "compute/member": "role:member and project_id:%(project_id)s",
    "compute/servers:create": "rule:member or rule:context_is_admin",
    "compute/servers:show": "rule:member",
    "network/context_is_admin": "role:admin",
    "network/default": "rule:context_is_admin",
    "network/create_network": "rule:context_is_admin or role:member and project_id:%(project_id)s",
}
MINE = {"project_id": "p"}


def caller(*roles: str) -> Caller:
    return Caller("u", project_id="p", roles=frozenset(roles))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def loaded(file: Path, text: str) -> Policy:
    file.write_text(text)
    return Policy.load(DEFAULTS, file)


def test_a_rule_of_the_file_replaces_the_default(file):
    policy = loaded(file, "# ours\nservers:create: role:creator and rule:member\n")
    assert policy.allows("servers:create", caller("creator", "member"), MINE)
    assert not policy.allows("servers:create", caller("admin"), MINE)
    assert policy.allows("servers:show", caller("member"), MINE)


@pytest.mark.parametrize(
    "text", ['{"servers:create": [["role:x"]]}', "servers:create: [[role:x]]", "servers:create: |\n  role:x\n"]
)
def test_json_yaml_lists_and_blocks_are_read(file, text):
    assert loaded(file, text).allows("servers:create", caller("x"), {})


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_changes_nothing(file, text):
    assert loaded(file, text).rules() == Policy.load(DEFAULTS).rules()


def test_a_name_that_several_services_have_is_changed_in_all_of_them(file):
    policy = loaded(file, "context_is_admin: role:boss\n")
    assert policy.allows("servers:create", caller("boss"), {})
    assert policy.allows("create_network", caller("boss"), {})


@pytest.mark.parametrize("text", ["compute/context_is_admin: role:boss", "compute:\n  context_is_admin: role:boss\n"])
def test_or_in_the_one_that_is_named(file, text):
    policy = loaded(file, text)
    assert policy.allows("servers:create", caller("boss"), {})
    assert not policy.allows("create_network", caller("boss"), {})


def test_a_new_rule_refers_to_the_rules_of_whom_it_is_used_by(file):
    policy = loaded(
        file, "boss: rule:context_is_admin and role:boss\nservers:show: rule:boss\ncreate_network: rule:boss\n"
    )
    for rule in ("servers:show", "create_network"):
        assert policy.allows(rule, caller("admin", "boss"), {})
        assert not policy.allows(rule, caller("boss"), {})


def test_a_file_is_read_again(file):
    policy = loaded(file, "servers:show: '!'\n")
    assert not policy.allows("servers:show", caller("member"), MINE)
    file.write_text("servers:show: '@'\n")
    policy.reload()
    assert policy.allows("servers:show", caller(), {})


def test_a_file_that_went_wrong_leaves_the_rules_as_they_were(file):
    policy = loaded(file, "servers:show: '@'\n")
    file.write_text("servers:show: role:a or\n")
    with pytest.raises(PolicyError, match="line 1, column 24: servers:show: a check is missing at the end"):
        policy.reload()
    assert policy.allows("servers:show", caller(), {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "line 1, column 5: this is neither YAML nor JSON: "),
        ("- a\n", "line 1, column 1: the file must be a mapping of rules"),
        ("? [a]\n: b\n", "line 1, column 3: the name of a rule must be text"),
        ("servers:show: role:a or (\n", "line 1, column 26: servers:show: a check is missing at the end"),
        ('"servers:show": "role:a b"\n', "line 1, column 25: servers:show: 'b' is not expected here"),
        ("servers:show: >\n  role:a\n  b\n", "line 1, column 15: servers:show: 'b' is not expected here"),
        ("servers:show: [[a]]\n", "line 1, column 15: servers:show: 'a' is no check"),
        ("servers:show:\n", "servers:show: a rule is text or a list of lists, not nothing; write '@'"),
        ("servers:show: true\n", "a rule is text or a list of lists, not true"),
        ("servers:show: &a [*a]\n", "a rule is text or a list of lists, not nothing"),
        ("servers:show: {a: b}\n", "a rule is text or a list of lists, not nothing"),
        (
            "servers:show: http://example.org/%(x)s\n",
            "servers:show: 'http://example.org/%(x)s': rules that ask another server",
        ),
        ("servers:show: '!'\nservers:show: '@'\n", "line 2, column 1: servers:show: is given twice, first in line 1"),
        (
            "member: rule:servers:show\n",
            "line 1, column 9: member: refers to itself: compute/member -> compute/servers:show -> ",
        ),
        ("a: rule:b\nb: rule:a\n", "line 1, column 4: a: refers to itself: a -> b -> a"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(file, text, told):
    with pytest.raises(PolicyError) as refused:
        loaded(file, text)
    assert told in str(refused.value)
    assert str(file) in str(refused.value)
    assert [told in str(problem) for problem in check_file(file, DEFAULTS)] == [True]
    assert check_file(file, DEFAULTS)[0].fatal


def test_a_file_that_cannot_be_read_is_told(file):
    with pytest.raises(PolicyError, match="the file cannot be read"):
        Policy.load(DEFAULTS, file)
    file.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(PolicyError, match="the file cannot be read"):
        Policy.load(DEFAULTS, file)
    file.write_bytes(b"a: \x01")
    with pytest.raises(PolicyError, match="neither YAML nor JSON"):
        Policy.load(DEFAULTS, file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "servers:shwo: role:a\n",
            "no service asks for this rule, and no rule refers to it; did you mean servers:show?",
        ),
        ("zzz: role:a\n", "no service asks for this rule, and no rule refers to it"),
        ("servers:show: rule:membre\n", "refers to the unknown rule membre; did you mean member?"),
        ("create_network: rule:member\n", "refers to the unknown rule member"),
        ("servers:show: usr_id:%(project_id)s\n", "usr_id is no credential that every token has"),
        ("servers:show: user_id:%(owner)s\n", "no default rule here looks at the attribute owner of the target"),
        ("servers:show: role:%(owner)s\n", "no default rule here looks at the attribute owner of the target"),
    ],
)
def test_what_it_hardly_means_is_told_but_used(file, text, told):
    Policy.load(DEFAULTS, file) if file.exists() else loaded(file, text)
    (problem,) = check_file(file, DEFAULTS)
    assert told in problem.message
    assert not problem.fatal


def test_a_file_in_order_has_no_problems(file):
    file.write_text("boss: role:boss\nservers:show: rule:boss or True:%(project_id)s\ndefault: role:admin\n")
    assert check_file(file, DEFAULTS) == []
    assert check_file(file, {"a": "role:b"}) != []
