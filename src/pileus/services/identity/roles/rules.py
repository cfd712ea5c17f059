"""What roles imply: a graph of ids, which may go in circles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Implied = Mapping[str, Sequence[str]]
"""The roles that a role implies, of each that implies any."""


def reached(implied: Implied, role_ids: Iterable[str]) -> set[str]:
    """These roles and all that they imply."""
    seen: set[str] = set()
    left = list(role_ids)
    while left:
        role_id = left.pop()
        if role_id not in seen:
            seen.add(role_id)
            left += implied.get(role_id, ())
    return seen


def steps(implied: Implied, role_ids: Iterable[str]) -> set[tuple[str, str]]:
    """(implied, prior) for each implication that counts for who has these roles."""
    return {(role_id, prior) for prior in reached(implied, role_ids) for role_id in implied.get(prior, ())}


def leading_to(implied: Implied, role_id: str) -> set[str]:
    """This role and all that imply it."""
    priors: dict[str, list[str]] = {}
    for prior, each in implied.items():
        for one in each:
            priors.setdefault(one, []).append(prior)
    return reached(priors, [role_id])
