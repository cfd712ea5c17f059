"""Why a rule says yes or no, part by part: for `pileus explain` and for the message of a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pileus.kernel.context import Caller
from pileus.kernel.policy.compiled import ABSENT, DENY, Target, attribute, compiled, credential
from pileus.kernel.policy.language import And, Field, Match, Node, Not, Or, Reference, Role


@dataclass(frozen=True, slots=True)
class Explanation:
    """A part of a rule, what came of it (None: only a target would tell), why, and its own parts."""

    text: str
    outcome: bool | None
    why: str
    parts: tuple[Explanation, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        inner = {"parts": [part.as_dict() for part in self.parts]} if self.parts else {}
        return {"text": self.text, "outcome": self.outcome, "why": self.why, **inner}

    def lines(self, indent: int = 0) -> list[str]:
        """The tree as text, a part a line."""
        mark = {True: "yes", False: "no", None: "open"}[self.outcome]
        inner = [line for part in self.parts for line in part.lines(indent + 1)]
        return [f"{'  ' * indent}{mark:4} {self.text}: {self.why}", *inner]


@dataclass(frozen=True, slots=True)
class Explainer:
    """Asks the parts of a rule one by one; without a target, what is known before there is one.

    `resolve(home, name)` finds what `rule:name` means in the rule `home`: its full name and its tree.
    """

    caller: Caller
    target: Target | None
    resolve: Callable[[str, str], tuple[str, Node] | None]

    def rule(self, home: str, node: Node) -> Explanation:
        match node:
            case Reference(name):
                return self._reference(home, name)
            case Not(part):
                inner = self.rule(home, part)
                outcome = None if inner.outcome is None else not inner.outcome
                return Explanation(str(node), outcome, "the opposite of its part", (inner,))
            case And(parts) | Or(parts):
                return _joint(node, tuple(self.rule(home, part) for part in parts), decisive=isinstance(node, Or))
        check = compiled(node, lambda name: DENY)
        outcome = check.early(self.caller) if self.target is None else check.allows(self.caller, self.target)
        why = "the target decides" if outcome is None else _why(node, self.caller, self.target or {})
        return Explanation(str(node), outcome, why)

    def _reference(self, home: str, name: str) -> Explanation:
        found = self.resolve(home, name)
        if found is None:
            return Explanation(f"rule:{name}", False, "there is no such rule, and no rule `default` in its place")
        inner = self.rule(*found)
        return Explanation(f"rule:{name}", inner.outcome, f"is {found[0]}", (inner,))


def _joint(node: Node, inners: tuple[Explanation, ...], *, decisive: bool) -> Explanation:
    """An `or` (decided by a yes) or an `and` (decided by a no)."""
    outcomes = [inner.outcome for inner in inners]
    if decisive in outcomes:
        return Explanation(str(node), decisive, "one part says yes" if decisive else "one part says no", inners)
    if None in outcomes:
        return Explanation(str(node), None, "the target decides", inners)
    return Explanation(str(node), not decisive, "no part says yes" if decisive else "every part says yes", inners)


def _why(node: Node, caller: Caller, target: Target) -> str:
    """What a single check looked at."""
    if isinstance(node, Role):
        return f"the caller has {_said(sorted(caller.roles))}"
    if isinstance(node, Field):
        return f"the target has {node.name}={_shown(attribute(node.name)(target))}"
    if not isinstance(node, Match):
        return "for everybody"
    places = [f"{name}={_shown(attribute(name)(target))}" for name in node.wanted.attributes]
    sides = [] if node.literal is not None else [f"the caller has {_said(credential(node.kind)(caller))}"]
    return ", ".join(sides + ([f"the target has {_said(places)}"] if places else [])) or "two literals"


def _said(things: Iterable[str]) -> str:
    return ", ".join(things) or "none"


def _shown(value: Any) -> str:
    return "(absent)" if value is ABSENT else str(value)
