"""The default rules of every service: they hold together, and they keep out whom they should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pileus.kernel.context import NOBODY, Caller
from pileus.kernel.facts import facts, services_with
from pileus.kernel.policy import Policy, check_file, default_rules
from pileus.kernel.policy.compiled import CREDENTIALS
from pileus.kernel.policy.files import Names, references
from pileus.kernel.policy.language import Match, every, parse

ROLES = {
    "reader": frozenset({"reader"}),
    "member": frozenset({"reader", "member"}),
    "manager": frozenset({"reader", "member", "manager"}),
    "admin": frozenset({"reader", "member", "manager", "admin"}),
    "service": frozenset({"service"}),
}
MINE = {"project_id": "p1", "user_id": "u1", "owner": "p1", "network:project_id": "p1", "visibility": "private"}
FOREIGN = {name: f"other-{value}" for name, value in MINE.items()}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.standard()


def caller(role: str) -> Caller:
    return Caller("u1", project_id="p1", roles=ROLES[role])


def test_rules_that_routes_ask_for_have_names_of_their_own():
    bare = [name.partition("/")[2] for name in default_rules().operations]
    assert len(bare) == len(set(bare))


def test_every_reference_leads_somewhere_and_every_credential_is_known():
    rules = default_rules()
    names = Names(rules.checks)
    for name, check in rules.checks.items():
        for reference in references(parse(check)):
            assert names.found(name, reference) in {f"{name.partition('/')[0]}/{reference}"}, (name, reference)
        for node in every(parse(check)):
            assert not isinstance(node, Match) or node.literal is not None or node.kind in CREDENTIALS, (
                name,
                str(node),
            )


def test_every_rule_says_what_it_guards_and_which_tokens_it_takes():
    rules = default_rules()
    assert rules.operations.keys() == rules.scopes.keys()
    assert all(operations for operations in rules.operations.values())
    assert {scope for scopes in rules.scopes.values() for scope in scopes} == {"project", "domain", "system"}


def test_no_default_rule_lets_a_stranger_change_anything(policy):
    """Who has no role at all may only look at what everybody may see. Below: asked only beside another rule."""
    open_to_all = {
        name
        for name, operations in default_rules().operations.items()
        if policy.allows(name, replace(NOBODY, user_id="x"), FOREIGN)
        and any(not operation.startswith("GET") for operation in operations)
    }
    assert open_to_all == {
        "compute/pileus:compute:images:change",
        "image/add_task",
        "network/create_port:device_owner",
        "network/update_port:device_owner",
        "network/create_rbac_policy:target_project",
        "network/update_rbac_policy:target_project",
    }


AUDITOR = Caller("u1", system=True, roles=frozenset({"auditor", "reader"}))

DONE_BY_GET = {
    "compute/os_compute_api:os-hosts:reboot",
    "compute/os_compute_api:os-hosts:shutdown",
    "compute/os_compute_api:os-hosts:start",
}

ONES_OWN = {
    "identity/identity:create_credential": "for one's own second factor and keys",
    "identity/identity:update_credential": "as above",
    "identity/identity:delete_credential": "as above",
    "identity/identity:delete_access_rule": "of one's own application credentials",
    "identity/identity:delete_application_credential": "as above",
    "identity/identity:delete_trust": "what one has entrusted to others",
    "identity/identity:revoke_token": "to log out",
    "identity/identity:revoke_tokens_for_user": "to log out everywhere",
}
"""What an auditor may change: how it logs in itself."""


def looks(operations):
    return all(operation.startswith(("GET ", "HEAD ")) for operation in operations)


def test_an_auditor_reads_what_belongs_to_whomever(policy):
    closed = {n for n, o in default_rules().operations.items() if looks(o) and not policy.allows(n, AUDITOR, FOREIGN)}
    assert closed == DONE_BY_GET


def test_an_auditor_changes_nothing_but_how_it_logs_in(policy):
    """Whatever a rule that also guards a change lets an auditor do, is to see what the change shows."""
    writing = {n for n, o in default_rules().operations.items() if not looks(o) and policy.early(n, AUDITOR)}
    seen = {
        f"{s}/{n}" for s in services_with("policies") for n in facts(s, "policies").get("auditors", {}).get("see", ())
    }
    assert writing - seen == ONES_OWN.keys()
    assert all(any(o.startswith("GET ") for o in default_rules().operations[name]) for name in seen)


def test_who_is_no_auditor_gets_no_more_by_that(policy):
    """A token for the system reads nothing that was for projects alone, an auditor's token for a project neither."""
    for name in ("os_compute_api:servers:index", "identity:list_access_tokens"):
        for caller in (replace(AUDITOR, roles=ROLES["admin"]), replace(AUDITOR, system=False, project_id="p9")):
            assert not policy.allows(name, caller, FOREIGN)
    assert (
        "it needs role auditor in the system"
        in policy.refusal("pileus:hosts:list", replace(AUDITOR, roles=ROLES["reader"])).message
    )


@pytest.mark.parametrize(
    ("rule", "least", "foreign"),
    [
        ("os_compute_api:servers:create", "member", "admin"),
        ("os_compute_api:servers:show", "reader", "admin"),
        ("os_compute_api:servers:detail:get_all_tenants", "admin", "admin"),
        ("os_compute_api:os-migrate-server:migrate", "manager", "admin"),
        ("placement:allocations:update", "admin", "admin"),
        ("create_network", "member", "admin"),
        ("create_network:shared", "admin", "admin"),
        ("get_image", "reader", "admin"),
        ("volume:create", "member", "admin"),
        ("identity:create_user", "admin", "admin"),
        ("pileus:operations:list", "admin", "admin"),
        ("pileus:events:list", "reader", "admin"),
    ],
)
def test_who_it_takes_at_least(policy, rule, least, foreign):
    def first(target: dict[str, str]) -> str:
        return next(
            role for role in ("reader", "member", "manager", "admin") if policy.allows(rule, caller(role), target)
        )

    assert (first(MINE), first(FOREIGN)) == (least, foreign)


def test_a_service_may_do_its_work_and_no_more(policy):
    assert policy.allows("placement:allocations:update", caller("service"), MINE)
    assert not policy.allows("os_compute_api:servers:delete", caller("service"), MINE)


def test_the_administrator_of_a_domain_is_not_the_cloud_s(policy):
    domain_admin = Caller("u1", domain_id="d1", roles=ROLES["admin"])
    for rule in (
        "os_compute_api:servers:show",
        "get_network",
        "volume:get",
        "identity:delete_domain",
        "pileus:operations:list",
    ):
        assert not policy.early(rule, domain_admin), rule
    manager = replace(domain_admin, roles=ROLES["manager"])
    assert policy.allows("identity:create_user", manager, {"target": {"user": {"domain_id": "d1"}}})
    assert not policy.allows("identity:create_user", manager, {"target": {"user": {"domain_id": "d2"}}})


def test_an_operators_file_for_one_service_is_taken_as_it_is(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(
        '"os_compute_api:servers:create": "rule:admin_or_owner and role:builder"\n"default": "rule:admin_or_owner"\n'
    )
    assert check_file(file, default_rules().checks) == []
    builder = replace(caller("reader"), roles=frozenset({"builder"}))
    assert Policy.standard(file).allows("os_compute_api:servers:create", builder, MINE)
