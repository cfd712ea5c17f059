"""From what was granted to what counts: groups become their members, inherited grants the projects below, roles what they
imply. Pure.

    holding   (actor, target, inherited) and the roles granted there: what is kept, taken together
    entry     one line of /v3/role_assignments: a holding as it was granted, or as it counts for one user on one project

Entries have an order, so that a list of them can be left and taken up again anywhere: first that of their holdings, then
(who, where, role, the role that implied it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

Key = tuple[str, str, bool]
Place = tuple[str, str, str, str]


class Mark(NamedTuple):
    """Where an entry stands."""

    key: Key  # its holding
    place: Place  # among the entries of that


class Holding(NamedTuple):
    """All roles that one user or group was given on one target; `inherited`: not on itself, but on all below it."""

    actor_id: str
    target_id: str
    inherited: bool
    actor: str  # user | group
    target: str  # project | domain | system
    role_ids: tuple[str, ...]

    @property
    def key(self) -> Key:
        return self[:3]


class Entry(NamedTuple):
    """A line of the list. As it was granted, actor and target are those of the holding and there is no prior role."""

    holding: Holding
    actor_id: str
    target_id: str
    role_id: str
    prior_id: str = ""  # the role that implies this one
    effective: bool = False

    @property
    def mark(self) -> Mark:
        return Mark(self.holding.key, (self.actor_id, self.target_id, self.role_id, self.prior_id))

    @property
    def actor(self) -> str:
        return "user" if self.effective else self.holding.actor

    @property
    def target(self) -> str:
        return "project" if self.effective and self.holding.inherited else self.holding.target

    @property
    def by_membership(self) -> bool:
        """Whether it counts for a user because a group has it."""
        return self.effective and self.holding.actor == "group"


class Expansion(NamedTuple):
    """What is needed to say what holdings come to."""

    members: Mapping[str, Sequence[str]]  # of each group
    below: Mapping[str, Sequence[str]]  # the projects on which what is inherited from each target counts
    roles: Mapping[tuple[str, ...], Sequence[tuple[str, str]]]  # (role, prior) of each set of roles


def granted(holdings: Iterable[Holding]) -> Iterator[Entry]:
    """The entries as they were granted, in their order."""
    for each in holdings:
        for role_id in sorted(each.role_ids):
            yield Entry(each, each.actor_id, each.target_id, role_id)


def effective(holdings: Iterable[Holding], by: Expansion, since: Mark | None = None) -> Iterator[Entry]:
    """The entries as they count, in their order; of those before `since` as few as is easy."""
    for each in holdings:
        actors = sorted(by.members.get(each.actor_id, ())) if each.actor == "group" else [each.actor_id]
        if since is not None and each.key == since.key:
            actors = [actor_id for actor_id in actors if actor_id >= since.place[0]]
        targets = sorted(by.below.get(each.target_id, ())) if each.inherited else [each.target_id]
        for actor_id, target_id, (role_id, prior_id) in product(actors, targets, sorted(by.roles[each.role_ids])):
            yield Entry(each, actor_id, target_id, role_id, prior_id, True)


def after(entries: Iterable[Entry], since: Mark) -> Iterator[Entry]:
    """Those of the entries that stand after this one, whether it is still there or not."""
    return (each for each in entries if each.mark > since)
