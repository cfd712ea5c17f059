"""Who may do what: OpenStack's rules in oslo.policy's language, compiled once to closures.

The defaults are data beside each service; an operator's file is laid over them. Rules of different services may share a name
(`admin_or_owner` means something else in each): in the mapping of defaults they are told apart as `service/rule`, and
`rule:x` means the x of the same service first. Routes ask for the bare name, which is unique among the rules they ask for.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pileus.kernel.context import Caller
from pileus.kernel.errors import Forbidden, NotFound
from pileus.kernel.policy.compiled import DENY, SCOPES, Check, compiled, scope_of, scoped
from pileus.kernel.policy.defaults import default_rules
from pileus.kernel.policy.explained import Explainer, Explanation
from pileus.kernel.policy.files import (
    Entry,
    Names,
    PolicyError,
    Problem,
    attributes,
    cycles,
    doubts,
    read_file,
    references,
)
from pileus.kernel.policy.language import Always, Node, PolicySyntaxError, parse

__all__ = ["Explanation", "Policy", "PolicyError", "PolicySyntaxError", "Problem", "check_file", "default_rules"]

LADDER = (
    ("reader",),
    ("member", "reader"),
    ("manager", "member", "reader"),
    ("auditor", "reader"),
    ("admin", "manager", "member", "reader"),
    ("service",),
)
"""What each role brings with it, the least first: only to say which would do. Callers' roles come with all they imply."""


class Policy:
    """The rules of a cloud; `load` makes one. A check takes a few microseconds and awaits nothing."""

    def __init__(self, defaults: Mapping[str, Node], path: Path | None, scopes: Mapping[str, Container[str]]) -> None:
        self._defaults = dict(defaults)
        self._path = path
        self._scopes = scopes
        self.reload()

    @classmethod
    def load(
        cls,
        defaults: Mapping[str, str],
        overrides: Path | None = None,
        *,
        scopes: Mapping[str, Container[str]] = MappingProxyType({}),
    ) -> Policy:
        """The defaults (`service/rule` or `rule` -> check string) with a file over them. Raises PolicyError.

        `scopes` says which tokens (`project`, `domain`, `system`) a rule takes, whatever its check says: else an
        administrator of one domain would pass `role:admin` as the cloud's. A rule not named there takes any.
        """
        return cls(parsed(defaults), overrides, scopes)

    @classmethod
    def standard(cls, overrides: Path | None = None) -> Policy:
        """OpenStack's and our own default rules, with an operator's file over them. Raises PolicyError."""
        rules = default_rules()
        return cls.load(rules.checks, overrides, scopes=rules.scopes)

    def reload(self) -> None:
        """Read the file again. Raises PolicyError, and keeps the rules as they were, when it can't be used."""
        entries, problems = read_file(self._path, Names(self._defaults)) if self._path else ([], [])
        rules = laid_over(self._defaults, entries)
        problems = [*problems, *circular(rules, entries)]
        if problems:
            raise PolicyError(f"{self._path or 'default rules'}: " + "; ".join(map(str, problems)))
        self._rules = Rules(rules, self._scopes)

    def rules(self) -> dict[str, str]:
        """Every rule in force: full name -> check string."""
        return {name: str(node) for name, node in self._rules.nodes.items()}

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        """Whether the caller may. An unknown rule says what the rule `default` says, or no."""
        return self._rules.check(rule).allows(caller, target)

    def check(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> None:
        """Raises Forbidden, which names the rule and the least role that would do, when the caller may not."""
        if not self._rules.check(rule).allows(caller, target):
            raise self.refusal(rule, caller, target)

    def early(self, rule: str, caller: Caller) -> bool:
        """False when no target at all could make the rule pass: the caller can be refused before anything is looked up."""
        return self._rules.check(rule).early(caller) is not False

    def refusal(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> Forbidden:
        """The error that says why not; without a target, the one for a caller whom `early` turns away."""
        role, needs = None, f"it needs a token for a {' or a '.join(self._rules.scopes_for(rule))}"
        if self._rules.takes(rule, caller):
            role = self.least_role(rule, caller, target)
            needs = f"it needs role {role}{_where(caller)}" if role else f"no role{_where(caller)} would do"
        text = self._rules.node(rule)
        return Forbidden(f"Policy does not allow {rule}: {needs} (the rule reads: {text}).", rule=rule, role=role)

    def explain(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> Explanation:
        """Each part of the rule with yes, no or (without a target) open, and why."""
        said = Explainer(caller, target, self._rules.resolve).rule(self._rules.full_name(rule), self._rules.node(rule))
        if self._rules.takes(rule, caller):
            return said
        scope = Explanation(
            f"a token for a {' or a '.join(self._rules.scopes_for(rule))}", False, "the caller has none"
        )
        return Explanation(rule, False, "the rule does not take this token", (scope, said))

    def least_role(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> str | None:
        """The least role that would do, had the caller it where its token is for; None when none would."""
        check = self._rules.check(rule)
        for roles in LADDER:
            other = replace(caller, roles=caller.roles.union(roles))
            if check.early(other) is not False if target is None else check.allows(other, target):
                return roles[0]
        return None

    def find(self, rule: str) -> str:
        """The full name of the rule that routes ask for by this one. Raises NotFound, with one that is meant perhaps."""
        found = self._rules.known(rule)
        if found is None:
            raise NotFound(f"There is no policy rule {rule[:80]!r}{Names(self._rules.nodes).alike(rule[:80])}")
        return found

    def looks_at(self, rule: str) -> list[str]:
        """The attributes of a target that a known rule asks for, by itself or through those it refers to."""
        found: set[str] = set()
        seen, todo = set[str](), [self._rules.full_name(rule)]
        while todo:
            seen.add(name := todo.pop())
            node = self._rules.nodes[name]
            found.update(attributes(node))
            met = (self._rules.resolve(name, reference) for reference in references(node))
            todo += [full for full, _ in filter(None, met) if full not in seen]
        return sorted(found)


class Rules:
    """Rules that know each other, compiled."""

    def __init__(self, nodes: Mapping[str, Node], scopes: Mapping[str, Container[str]]) -> None:
        self.nodes = nodes
        self._scopes = scopes
        self._names = Names(nodes)
        self._compiled: dict[str, Check] = {}  # as other rules refer to them
        bare = {name.partition("/")[2] for name in nodes if "/" in name}
        self._full = {name: full[0] for name in bare if len(full := self._names.meant(name)) == 1}
        self._full.update((name, name) for name in nodes)
        self._asked: dict[str, Check] = {}  # compiled when they are asked for: most rules of a cloud never are

    def check(self, name: str) -> Check:
        """The rule as a route asks for it, by its full name or a bare one that only one service has; else the default."""
        full = self._full.get(name) or self._full.get("default")
        if full is None:
            return DENY
        if full not in self._asked:
            self._asked[full] = self._guarded(full)
        return self._asked[full]

    def known(self, name: str) -> str | None:
        """The full name of a rule; None when there is none, or a bare name belongs to several."""
        return self._full.get(name)

    def full_name(self, name: str) -> str:
        """The full name of the rule that `check` takes."""
        return self._full.get(name, "default")

    def node(self, name: str) -> Node:
        return self.nodes.get(self.full_name(name), Always(False))

    def scopes_for(self, name: str) -> list[str]:
        """The scopes a rule takes; all when nothing is said."""
        taken = self._scopes.get(self.full_name(name))
        return [scope for scope in SCOPES if taken is None or scope in taken]

    def takes(self, name: str, caller: Caller) -> bool:
        """Whether the rule takes the caller's kind of token."""
        return scope_of(caller) in self.scopes_for(name)

    def resolve(self, home: str, name: str) -> tuple[str, Node] | None:
        """What `rule:name` means in the rule `home`."""
        full = self._names.found(home, name)
        return None if full is None else (full, self.nodes[full])

    def _guarded(self, full: str) -> Check:
        check, scopes = self._compile(full), self._scopes.get(full)
        return check if scopes is None else scoped(check, scopes)

    def _compile(self, name: str) -> Check:
        if name not in self._compiled:
            self._compiled[name] = compiled(self.nodes[name], partial(self._reference, name))
        return self._compiled[name]

    def _reference(self, home: str, name: str) -> Check:
        full = self._names.found(home, name)
        return DENY if full is None else self._compile(full)


def check_file(path: Path, defaults: Mapping[str, str]) -> list[Problem]:
    """What is wrong with an operator's file: what keeps it from being used (`fatal`), and what it hardly means."""
    nodes = parsed(defaults)
    entries, problems = read_file(path, Names(nodes))
    rules = laid_over(nodes, entries)
    problems = [*problems, *circular(rules, entries), *doubts(entries, nodes, Names(rules))]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def parsed(defaults: Mapping[str, str]) -> dict[str, Node]:
    """The trees of check strings. Raises PolicyError."""
    nodes = {}
    for name, text in defaults.items():
        try:
            nodes[name] = parse(text)
        except PolicySyntaxError as e:
            raise PolicyError(f"{name}: character {e.offset + 1}: {e.message}") from e
    return nodes


def laid_over(defaults: Mapping[str, Node], entries: Iterable[Entry]) -> dict[str, Node]:
    return {**defaults, **{name: entry.node for entry in entries for name in entry.names}}


def circular(rules: Mapping[str, Node], entries: Iterable[Entry]) -> list[Problem]:
    """Rules that refer to themselves, at the place of the entry that made them do so."""
    places = {name: entry for entry in entries for name in entry.names}
    problems: dict[str, Problem] = {}
    for way in cycles(rules, Names(rules)):
        entry = next((places[name] for name in way if name in places), None)
        line, column, name = (entry.line, entry.column, entry.name) if entry else (1, 1, way[0])
        problems.setdefault(name, Problem(line, column, name, f"refers to itself: {' -> '.join(way)}"))
    return list(problems.values())


def _where(caller: Caller) -> str:
    if caller.system or caller.domain_id or caller.project_id:
        return f" in the {scope_of(caller)}"
    return ""
