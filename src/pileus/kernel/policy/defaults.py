"""The default rules: `policies.toml` beside each service.

scope = ["project"]                  the tokens these rules take, whatever their check says
[other_scopes]                       "system project" = [rules that take others]
[left_out]                           rules of OpenStack that are not here, and why
[auditors]                           see = [rules that say what is shown, though changes ask them too]
                                     not = [rules of what is done by GET]
[helpers]                            what other rules refer to: rule = check
[rules.servers]                      rule = [check, operation, ...]

A rule that guards nothing but GET and HEAD lets auditors pass, too: whoever has the role `auditor` on the system reads everything
and changes nothing. No file says so rule by rule, so no new rule can forget it; an operator's rule is as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pileus.kernel.facts import facts, services_with

READER = "role:reader and system_scope:all"
LOOKS = ("GET ", "HEAD ")
AUDITOR = "role:auditor and system_scope:all"


@dataclass(frozen=True, slots=True)
class DefaultRules:
    """By full name (`service/rule`): check strings, the scopes that a rule takes, the operations it guards."""

    checks: dict[str, str]
    scopes: dict[str, frozenset[str]]
    operations: dict[str, tuple[str, ...]]


@cache
def default_rules() -> DefaultRules:
    """The rules of every service. Shared: not to be changed."""
    rules = DefaultRules({}, {}, {})
    for service in services_with("policies"):
        _add(service, rules)
    return rules


def _add(service: str, rules: DefaultRules) -> None:
    document = facts(service, "policies")
    others = {
        name: frozenset(scopes.split()) for scopes, names in document.get("other_scopes", {}).items() for name in names
    }
    rules.checks.update((f"{service}/{name}", check) for name, check in document.get("helpers", {}).items())
    auditors = document.get("auditors", {})
    seen, done = frozenset(auditors.get("see", ())), frozenset(auditors.get("not", ()))
    for group in document.get("rules", {}).values():
        for name, (check, *operations) in group.items():
            full, scopes = f"{service}/{name}", others.get(name, frozenset(document["scope"]))
            if name in seen or (name not in done and all(each.startswith(LOOKS) for each in operations)):
                check, scopes = _audited(check, scopes)
            rules.checks[full], rules.scopes[full], rules.operations[full] = check, scopes, tuple(operations)


def _audited(check: str, scopes: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The check that auditors pass, too; to others it says what it said, with the same tokens."""
    if "system" not in scopes:
        return f"({check}) and not system_scope:all or {AUDITOR}", scopes | {"system"}
    return (check if check == "@" or READER in check else f"{check} or {AUDITOR}"), scopes
