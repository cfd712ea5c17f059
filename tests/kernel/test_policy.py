"""What rules allow: beside the library whose language they are written in, and where we are stricter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_policy import _checks
from oslo_policy import _parser as oslo

from kernel.test_policy_language import ATTRIBUTES, ROLES, VALUES, nodes
from pileus.kernel.context import NOBODY, PILEUS, Caller
from pileus.kernel.errors import Forbidden, NotFound
from pileus.kernel.policy import Policy, PolicyError
from pileus.kernel.policy.language import Node

MEMBER = Caller("u1", project_id="p1", user_domain_id="d1", roles=frozenset({"member", "reader"}))
ADMIN = replace(MEMBER, roles=frozenset({"admin", "manager", "member", "reader"}))
READER = replace(MEMBER, roles=frozenset({"reader"}))
MINE, FOREIGN = {"project_id": "p1", "user_id": "u1"}, {"project_id": "p2", "user_id": "u2"}


def allowed(rule: Any, caller: Caller = MEMBER, target: dict[str, Any] = MINE, **others: str) -> bool:
    return Policy.load({"asked": rule, **others}).allows("asked", caller, target)


unhurried = settings(deadline=None)  # the machine is shared

ids = st.sampled_from(["a", "b", "all"])
callers = st.builds(
    Caller,
    user_id=ids,
    project_id=st.one_of(st.none(), ids),
    domain_id=st.one_of(st.none(), ids),
    system=st.booleans(),
    roles=st.frozensets(st.sampled_from([*ROLES, "Admin", "a", "b"])),
    facts=st.fixed_dictionaries(
        {}, optional={"service_roles": st.lists(ids), "trust": st.just({"ids": ["a", 7, None]})}
    ),
)
values = st.one_of(st.none(), st.booleans(), st.sampled_from(VALUES), st.lists(ids, max_size=2))
targets = st.dictionaries(st.sampled_from(ATTRIBUTES), values)


def rule_sets(*, ours: bool = True) -> st.SearchStrategy[dict[str, Node]]:
    """Three rules that refer to each other, and to one that is not there."""
    return st.fixed_dictionaries({
        "asked": nodes(("x", "y", "nowhere"), ours=ours),
        "x": nodes(("y", "nowhere"), ours=ours),
        "y": nodes(ours=ours),
    })  # fmt: skip


def as_oslo_sees(caller: Caller) -> dict[str, Any]:
    """The same caller as oslo.context would describe it; what is absent is left out, for there None equals None."""
    known = {
        "user_id": caller.user_id,
        "project_id": caller.project_id,
        "domain_id": caller.domain_id,
        "system_scope": "all" if caller.system else None,
        "token": {"domain": {"id": caller.domain_id} if caller.domain_id else {}},
        "trust": {"ids": ["a", 7]} if "trust" in caller.facts else {},
        "roles": list(caller.roles),
        "service_roles": caller.facts.get("service_roles", []),
    }
    return {name: value for name, value in known.items() if value is not None}


class Enforcer:
    def __init__(self, rules: dict[str, Any]) -> None:
        self.rules = rules


@unhurried
@given(rule_sets(ours=False), callers, targets)
def test_the_closures_say_what_oslo_policy_says(rules, caller, target):
    texts = {name: str(rule) for name, rule in rules.items()}
    parsed = {name: oslo.parse_rule(text) for name, text in texts.items()}
    theirs = _checks._check(parsed["asked"], target, as_oslo_sees(caller), Enforcer(parsed), None)
    assert Policy.load(texts).allows("asked", caller, target) == theirs


@unhurried
@given(rule_sets(), callers, targets)
def test_an_early_no_is_a_no_for_every_target(rules, caller, target):
    policy = Policy.load({name: str(rule) for name, rule in rules.items()})
    assert policy.early("asked", caller) or not policy.allows("asked", caller, target)


@unhurried
@given(rule_sets(), callers, targets)
def test_the_explanation_ends_as_the_rule_does(rules, caller, target):
    policy = Policy.load({name: str(rule) for name, rule in rules.items()})
    assert policy.explain("asked", caller, target).outcome == policy.allows("asked", caller, target)
    assert (policy.explain("asked", caller).outcome is not False) == policy.early("asked", caller)


@pytest.mark.parametrize(
    ("rule", "caller", "target", "expected"),
    [
        ("role:MEMBER", MEMBER, {}, True),
        ("role:member", replace(MEMBER, roles=frozenset({"Member"})), {}, True),
        ("role:%(wanted)s", MEMBER, {"wanted": "Member"}, True),
        ("role:%(wanted)s", MEMBER, {}, False),
        ("user_id:%(target.user.id)s", MEMBER, {"target": {"user": {"id": "u1"}}}, True),
        ("user_id:%(target.user.id)s", MEMBER, {"target.user.id": "u1"}, True),
        ("user_id:%(target.user.id)s", MEMBER, {"target": {"user": "u1"}}, False),
        ("project_id:%(network:project_id)s", MEMBER, {"network:project_id": "p1"}, True),
        ("token.user.domain.id:%(d)s", MEMBER, {"d": "d1"}, True),
        ("tenant:%(tenant_id)s", MEMBER, {"tenant_id": "p1"}, True),
        ("roles:member", MEMBER, {}, True),
        ("is_admin:True", ADMIN, {}, True),
        ("is_admin:True", MEMBER, {}, False),
        ("is_admin:1", ADMIN, {}, False),
        ("role:admin and is_admin_project:True", ADMIN, {}, True),
        ("system_scope:all", PILEUS, {}, True),
        ("system_scope:all", MEMBER, {}, False),
        ("system_scope:None", MEMBER, {}, True),
        ("not domain_id:None", MEMBER, {}, False),
        ("not domain_id:None", replace(MEMBER, domain_id="d1"), {}, True),
        ("methods:password", replace(MEMBER, facts={"methods": ["password"]}), {}, True),
        ("methods:None", MEMBER, {}, False),
        ("trust.id:t", replace(MEMBER, facts={"trust": "t"}), {}, False),
        ("'public':%(visibility)s", MEMBER, {"visibility": "public"}, True),
        ("None:%(domain_id)s", MEMBER, {"domain_id": None}, True),
        ("None:%(domain_id)s", MEMBER, {}, False),
        ("True:%(enabled)s", MEMBER, {"enabled": True}, True),
        ("1:1", MEMBER, {}, True),
        ("1:2", MEMBER, {}, False),
        ("user_id:50%%-%(x)s", replace(MEMBER, user_id="50%-y"), {"x": "y"}, True),
        ("user_id:x-%(x)s", MEMBER, {}, False),
        ("field:networks:shared=True", MEMBER, {"shared": True}, True),
        ("field:networks:shared=true", MEMBER, {"shared": True}, True),
        ("field:networks:shared=True", MEMBER, {"shared": False}, False),
        ("field:networks:shared=True", MEMBER, {}, False),
        ("field:networks:shared=True", MEMBER, {"shared": None}, False),
        ("field:networks:router:external=True", MEMBER, {"router:external": True}, True),
        ("field:port:device_owner=~^network:", MEMBER, {"device_owner": "network:dhcp"}, True),
        ("field:port:device_owner=~^network:", MEMBER, {"device_owner": "compute:x"}, False),
        ("field:rbac_policy:target_tenant=*", MEMBER, {"target_tenant": "*"}, True),
    ],
)
def test_checks(rule, caller, target, expected):
    assert allowed(rule, caller, target) is expected


@pytest.mark.parametrize(
    "rule", ["project_id:%(project_id)s", "user_id:x%(project_id)s", "domain_id:%(a)s-%(project_id)s"]
)
def test_a_caller_without_a_project_matches_nothing_that_belongs_to_nobody(rule):
    """oslo.policy compares the texts "None" and "None" here."""
    assert not allowed(rule, NOBODY, {"project_id": None, "a": None})
    assert not allowed(rule, replace(NOBODY, user_id="xNone", domain_id="None-None"), {"project_id": None, "a": None})


def test_a_rule_of_another_service_is_another_rule():
    policy = Policy.load({
        "compute/owner": "project_id:%(project_id)s",
        "identity/owner": "user_id:%(user_id)s",
        "compute/show_server": "rule:owner",
        "identity/show_user": "rule:owner",
    })  # fmt: skip
    other_user = {**MINE, "user_id": "u2"}
    assert policy.allows("show_server", MEMBER, other_user)
    assert not policy.allows("show_user", MEMBER, other_user)
    assert policy.allows("compute/owner", MEMBER, other_user)
    assert not policy.allows("owner", MEMBER, MINE), "which one is not said"
    assert policy.rules()["identity/show_user"] == "rule:owner"


def test_an_unknown_rule_is_the_default_rule_or_no():
    assert not Policy.load({}).allows("nowhere", ADMIN, MINE)
    assert not Policy.load({}).early("nowhere", ADMIN)
    assert Policy.load({"default": "role:admin"}).allows("nowhere", ADMIN, MINE)
    assert allowed("rule:nowhere", default="role:member")
    assert not allowed("rule:nowhere")
    assert not allowed("rule:nowhere", default="rule:nowhere_either"), "the default has no default"


@pytest.mark.parametrize(
    ("caller", "target", "said"),
    [
        (READER, MINE, "it needs role member in the project (the rule reads: rule:member or role:admin)."),
        (READER, FOREIGN, "it needs role admin in the project"),
        (replace(READER, project_id=None, system=True), MINE, "it needs role admin in the system"),
        (replace(READER, project_id=None, domain_id="d"), MINE, "it needs role admin in the domain"),
        (replace(READER, project_id=None, roles=frozenset()), MINE, "it needs role admin (the"),
        (READER, None, "it needs role member in the project"),
    ],
)
def test_a_refusal_names_the_rule_and_the_least_role_that_would_do(caller, target, said):
    policy = Policy.load(
        {"member": "role:member and project_id:%(project_id)s", "servers:create": "rule:member or role:admin"}
    )
    if target is not None:
        with pytest.raises(Forbidden):
            policy.check("servers:create", caller, target)
    error = policy.refusal("servers:create", caller, target)
    assert error.message.startswith("Policy does not allow servers:create: ")
    assert said in error.message


def test_a_refusal_says_when_no_role_would_do():
    policy = Policy.load({"mine": "user_id:%(user_id)s", "never": "!", "trusted": "role:service"})
    assert "no role in the project would do" in policy.refusal("mine", MEMBER, FOREIGN).message
    assert "(the rule reads: !)" in policy.refusal("nowhere", MEMBER, MINE).message
    assert policy.refusal("trusted", MEMBER).facts == {"rule": "trusted", "role": "service"}


def test_who_may_is_let_through():
    Policy.load({"a": "role:member"}).check("a", MEMBER, {})


def test_early_refuses_who_cannot_pass_and_nobody_else():
    policy = Policy.load({
        "create": "role:member and project_id:%(project_id)s",
        "any_port": "field:port:a=b or 'x':%(x)s or role:%(role)s",
        "odd": "not (role:admin or project_id:%(project_id)s)",
    })  # fmt: skip
    assert policy.early("create", MEMBER)
    assert not policy.early("create", READER)
    assert not policy.early("create", replace(MEMBER, project_id=None)), (
        "a token without a project has nothing of its own"
    )
    assert policy.early("any_port", NOBODY)
    assert policy.early("odd", MEMBER)
    assert not policy.early("odd", ADMIN)


def test_an_explanation_shows_each_part():
    policy = Policy.load({
        "member": "role:member and project_id:%(project_id)s",
        "create": "rule:member or not rule:nowhere and (@ and field:x:y=z and 1:2)",
    })  # fmt: skip
    assert policy.explain("create", READER, FOREIGN).lines() == [
        "no   rule:member or not rule:nowhere and (@ and field:x:y=z and 1:2): no part says yes",
        "  no   rule:member: is member",
        "    no   role:member and project_id:%(project_id)s: one part says no",
        "      no   role:member: the caller has reader",
        "      no   project_id:%(project_id)s: the caller has p1, the target has project_id=p2",
        "  no   not rule:nowhere and (@ and field:x:y=z and 1:2): one part says no",
        "    yes  not rule:nowhere: the opposite of its part",
        "      no   rule:nowhere: there is no such rule, and no rule `default` in its place",
        "    no   @ and field:x:y=z and 1:2: one part says no",
        "      yes  @: for everybody",
        "      no   field:x:y=z: the target has y=(absent)",
        "      no   1:2: two literals",
    ]
    early = policy.explain("create", replace(MEMBER, roles=frozenset({"member"}))).as_dict()
    assert early["outcome"] is None
    assert early["parts"][0]["parts"][0]["parts"] == [
        {"text": "role:member", "outcome": True, "why": "the caller has member"},
        {"text": "project_id:%(project_id)s", "outcome": None, "why": "the target decides"},
    ]
    assert policy.explain("nowhere", NOBODY, {}).outcome is False


def test_a_rule_is_found_by_name_and_says_what_it_looks_at():
    policy = Policy.load({
        "a/own": "user_id:%(user.id)s and rule:named",
        "a/show": "rule:own or rule:own and role:%(role)s or rule:nowhere",
        "b/own": "@",
        "named": "field:x:name=y or 'x':%(kind)s",
    })  # fmt: skip
    assert policy.find("show") == "a/show"
    assert policy.looks_at("show") == ["kind", "role", "user.id"]
    assert policy.looks_at("b/own") == []
    for unknown in ("shwo", "own"):  # the second is a rule of two services
        with pytest.raises(NotFound, match="There is no policy rule"):
            policy.find(unknown)


def test_the_least_role_that_would_do():
    policy = Policy.load({"change": "role:manager and project_id:%(project_id)s"})
    assert policy.least_role("change", READER) == "manager"
    assert policy.least_role("change", READER, MINE) == "manager"
    assert policy.least_role("change", READER, FOREIGN) is None


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"a": "role:x or"}, "a: character 10: a check is missing at the end"),
        ({"a": "rule:a"}, "a: refers to itself: a -> a"),
        ({"a": "role:x or rule:b", "b": "not rule:c", "c": "rule:a"}, "a: refers to itself: a -> b -> c -> a"),
        ({"s/a": "rule:default", "s/default": "rule:a"}, "s/a: refers to itself: s/a -> s/default -> s/a"),
        ({"a": "http://example.org/"}, "not supported"),
    ],
)
def test_defaults_that_make_no_sense_are_refused(rules, said):
    with pytest.raises(PolicyError) as refused:
        Policy.load(rules)
    assert said in str(refused.value)


SYSTEM_ADMIN = replace(ADMIN, project_id=None, system=True)
DOMAIN_ADMIN = replace(ADMIN, project_id=None, domain_id="d1")


def test_a_rule_takes_only_tokens_of_its_scopes():
    scopes = {"compute/list": frozenset({"project"}), "users": frozenset({"system", "domain"})}
    policy = Policy.load({"compute/admin": "role:admin", "compute/list": "rule:admin", "users": "@"}, scopes=scopes)
    assert policy.allows("list", ADMIN, {})
    assert not policy.allows("list", DOMAIN_ADMIN, {}), "an administrator of a domain is not the cloud's"
    assert not policy.early("list", SYSTEM_ADMIN)
    assert policy.early("list", ADMIN)
    assert policy.allows("users", DOMAIN_ADMIN, {})
    assert policy.allows("users", SYSTEM_ADMIN, {})
    assert not policy.allows("users", ADMIN, {})
    assert policy.allows("compute/admin", DOMAIN_ADMIN, {}), "nothing is said of it"


def test_a_refusal_of_a_scope_says_so():
    scopes = {"users": frozenset({"system", "domain"})}
    policy = Policy.load({"users": "@"}, scopes=scopes)
    assert "it needs a token for a domain or a system (the rule reads: @)" in policy.refusal("users", ADMIN, {}).message
    assert policy.explain("users", ADMIN).lines() == [
        "no   users: the rule does not take this token",
        "  no   a token for a domain or a system: the caller has none",
        "  yes  @: for everybody",
    ]
    assert policy.explain("users", SYSTEM_ADMIN).outcome is True
