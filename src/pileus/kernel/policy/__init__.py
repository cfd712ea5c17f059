"""Who may do what: OpenStack's rules in oslo.policy's language, compiled once to closures.

The defaults are data beside each service; an operator's file is laid over them. Rules of different services may share a name
(`admin_or_owner` means something else in each): in the mapping of defaults they are told apart as `service/rule`, and
`rule:x` means the x of the same service first. Routes ask for the bare name, which is unique among the rules they ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pileus.kernel.context import Caller
from pileus.kernel.errors import Forbidden
from pileus.kernel.policy.compiled import DENY, Check, compiled
from pileus.kernel.policy.explained import Explainer, Explanation
from pileus.kernel.policy.files import Entry, Names, PolicyError, Problem, cycles, doubts, read_file
from pileus.kernel.policy.language import Always, Node, PolicySyntaxError, parse

__all__ = ["Explanation", "Policy", "PolicyError", "PolicySyntaxError", "Problem", "check_file"]

LADDER = (
    ("reader",),
    ("member", "reader"),
    ("manager", "member", "reader"),
    ("admin", "manager", "member", "reader"),
    ("service",),
)
"""What each role brings with it, the least first: only to say which would do. Callers' roles come with all they imply."""


class Policy:
    """The rules of a cloud; `load` makes one. A check takes a few microseconds and awaits nothing."""

    def __init__(self, defaults: Mapping[str, Node], path: Path | None) -> None:
        self._defaults = dict(defaults)
        self._path = path
        self.reload()

    @classmethod
    def load(cls, defaults: Mapping[str, str], overrides: Path | None = None) -> Policy:
        """The defaults (`service/rule` or `rule` -> check string) with a file over them. Raises PolicyError."""
        return cls(parsed(defaults), overrides)

    def reload(self) -> None:
        """Read the file again. Raises PolicyError, and keeps the rules as they were, when it can't be used."""
        entries, problems = read_file(self._path, Names(self._defaults)) if self._path else ([], [])
        rules = laid_over(self._defaults, entries)
        problems = [*problems, *circular(rules, entries)]
        if problems:
            raise PolicyError(f"{self._path or 'default rules'}: " + "; ".join(map(str, problems)))
        self._rules = Rules(rules)

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
        role = self._least_role(self._rules.check(rule), caller, target)
        needs = f"it needs role {role}{_scope(caller)}" if role else f"no role{_scope(caller)} would do"
        text = self._rules.node(rule)
        return Forbidden(f"Policy does not allow {rule}: {needs} (the rule reads: {text}).", rule=rule, role=role)

    def explain(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> Explanation:
        """Each part of the rule with yes, no or (without a target) open, and why."""
        explainer = Explainer(caller, target, self._rules.resolve)
        return explainer.rule(self._rules.full_name(rule) or rule, self._rules.node(rule))

    def _least_role(self, check: Check, caller: Caller, target: Mapping[str, Any] | None) -> str | None:
        for roles in LADDER:
            other = replace(caller, roles=caller.roles.union(roles))
            if check.early(other) is not False if target is None else check.allows(other, target):
                return roles[0]
        return None


class Rules:
    """Rules that know each other, compiled."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes
        self._names = Names(nodes)
        self._checks: dict[str, Check] = {}
        for name in nodes:
            self._compile(name)
        bare = {name.partition("/")[2] for name in nodes if "/" in name}
        self._full = {name: name for name in nodes} | {
            name: full[0] for name in bare if len(full := self._names.meant(name)) == 1
        }
        self._checks.update((name, self._checks[full]) for name, full in self._full.items())

    def check(self, name: str) -> Check:
        found = self._checks.get(name)
        return found if found is not None else self._checks.get("default", DENY)

    def full_name(self, name: str) -> str | None:
        """The full name of the rule that `check` takes."""
        return self._full.get(name) or self._full.get("default")

    def node(self, name: str) -> Node:
        full = self.full_name(name)
        return Always(False) if full is None else self.nodes[full]

    def resolve(self, home: str, name: str) -> tuple[str, Node] | None:
        """What `rule:name` means in the rule `home`."""
        full = self._names.found(home, name)
        return None if full is None else (full, self.nodes[full])

    def _compile(self, name: str) -> Check:
        if name not in self._checks:
            self._checks[name] = compiled(self.nodes[name], partial(self._reference, name))
        return self._checks[name]

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


def _scope(caller: Caller) -> str:
    if caller.project_id:
        return " in the project"
    return " in the domain" if caller.domain_id else " in the system" if caller.system else ""
