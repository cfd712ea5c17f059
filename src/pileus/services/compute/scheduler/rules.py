"""Which hosts could take a server, in which order, and why the others could not. Pure.

Each filter looks at what the filters before it left, and says of a host why it falls out. Nothing is forgotten on the way: a
`Verdict` tells per filter which hosts fell out and why, and what would have fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pileus.services.placement.allocation_candidates.service import Offer

EXAMPLES = 3  # hosts whose reasons a message names
SCOPED = "aggregate_instance_extra_specs:"
UNITS = {"VCPU": "vCPUs", "MEMORY_MB": "MiB of memory", "DISK_GB": "GiB of disk"}
NAMES: frozenset[str] = frozenset()
OPERATORS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "s==": lambda value, words: value == words[0],
    "s!=": lambda value, words: value != words[0],
    "s>=": lambda value, words: value >= words[0],
    "s<=": lambda value, words: value <= words[0],
    "<in>": lambda value, words: words[0] in value,
    "<or>": lambda value, words: value in [word for word in words if word != "<or>"],
}


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host as the scheduler sees it. `aggregates`: the metadata of each that it is in."""

    name: str
    offer: Offer | None  # what it has and gives away; None: it has told of nothing yet
    usable: bool = True  # its agent lives and owes nothing
    disabled: str | None = None  # why an administrator took it out of use
    zone: str = "nova"
    aggregates: Sequence[Mapping[str, str]] = ()
    architecture: str = "x86_64"

    def free(self, resource: str) -> int:
        room = None if self.offer is None else self.offer.rooms.get(resource)
        return 0 if room is None else room.free

    def share(self, resource: str) -> float:
        """How much of it is free, from 0 to 1."""
        level = None if self.offer is None else self.offer.levels.get(resource)
        return 0.0 if level is None or not level.capacity else max(0.0, 1 - level.used / level.capacity)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The server group that the server is made in. `hosts`: one entry for each of its other servers."""

    id: str
    policy: str
    most_per_host: int = 1
    hosts: Sequence[str] = ()


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a server wants of its host."""

    resources: Mapping[str, int]
    project_id: str = ""
    zone: str | None = None
    host: str | None = None  # this one alone, whatever is against it but room (forced) or with all filters
    forced: bool = False
    leaves: frozenset[str] = frozenset()  # where it is: another host is looked for
    same_host: Sequence[str] | None = None  # hosts, one of which it must be
    different_host: Sequence[str] = ()
    group: Group | None = None
    extra_specs: Mapping[str, str] = {}
    flavor: str = ""  # the name of its flavor
    image: Mapping[str, Any] = {}  # the properties of its image


class Fell(msgspec.Struct, frozen=True):
    """A filter, and why which hosts fell out by it."""

    filter: str
    hosts: dict[str, str]


class Verdict(msgspec.Struct, frozen=True):
    """`hosts`: those that could take it, the best first. `fits`: if there is none, the most that one host could still give."""

    hosts: list[str]
    seen: int
    fell: list[Fell]
    fits: dict[str, int]

    def message(self, wanted: Mapping[str, int]) -> str:
        """Why there is no host, for its owner: numbers, but nothing of the hosts."""
        if not self.seen:
            return "No valid host was found. This cloud has no compute host: add one (`pileus host token NAME`)."
        parts = [f"{each.filter} took {len(each.hosts)} ({common(each.hosts)})" for each in self.fell]
        return f"No valid host was found. Of {self.seen} host{'s' * (self.seen != 1)} {'; '.join(parts)}. {self._way_out(wanted)}"

    def _way_out(self, wanted: Mapping[str, int]) -> str:
        lacking = [name for name, amount in wanted.items() if self.fits.get(name, 0) < amount]
        if not self.fits:
            return "Ask for another host, zone or group, or wait until a host is in use again."
        most = ", ".join(f"{self.fits.get(name, 0)} {UNITS.get(name, name)}" for name in wanted)
        if not lacking:
            return f"Without what stands against it a host could give {most}."
        return f"What one host could still give: {most}. Take a smaller flavor, or delete what is not needed."

    def details(self) -> dict[str, Any]:
        """The same for administrators: by filter each reason with its hosts."""
        return {each.filter: "; ".join(together(each.hosts)) for each in self.fell}


def together(reasons: Mapping[str, str]) -> Iterator[str]:
    """Each reason with its hosts."""
    found: dict[str, list[str]] = {}
    for host, why in sorted(reasons.items()):
        found.setdefault(why, []).append(host)
    for why, hosts in found.items():
        yield f"{', '.join(hosts)} ({why})"


def common(reasons: Mapping[str, str]) -> str:
    """The reasons without the hosts and without what is for administrators, the most frequent first."""
    counted: dict[str, int] = {}
    for why in reasons.values():
        plain = why.partition(": ")[0]
        counted[plain] = counted.get(plain, 0) + 1
    first = sorted(counted, key=lambda why: (-counted[why], why))[:EXAMPLES]
    return "; ".join(first) + ("; and others" if len(counted) > EXAMPLES else "")


Filter = Callable[[Host, Wish], str | None]
"""None, or why a host falls out. What follows a colon is for administrators alone."""


def choose(hosts: Sequence[Host], wish: Wish) -> Verdict:
    """The hosts that pass every filter, the best first."""
    left, fell = list(hosts), []
    for name, why in FILTERS.items():
        if wish.forced and name not in UNFORCED:
            continue
        out = {host.name: reason for host in left if (reason := why(host, wish)) is not None}
        if out:
            fell.append(Fell(name, out))
            left = [host for host in left if host.name not in out]
    if left:
        return Verdict([host.name for host in weighed(left, wish)], len(hosts), fell, {})
    return Verdict([], len(hosts), fell, roomiest([host for host in hosts if in_use(host, wish) is None], wish))


def promised(host: Host, resources: Mapping[str, int]) -> Host:
    """The host as it will be when it has given so much."""
    offer = host.offer
    if offer is not None:
        rooms, levels = dict(offer.rooms), dict(offer.levels)
        for name, amount in resources.items():
            rooms[name] = msgspec.structs.replace(rooms[name], free=rooms[name].free - amount)
            levels[name] = msgspec.structs.replace(levels[name], used=levels[name].used + amount)
        offer = msgspec.structs.replace(offer, rooms=rooms, levels=levels)
    return msgspec.structs.replace(host, offer=offer)


def roomiest(hosts: Sequence[Host], wish: Wish) -> dict[str, int]:
    """What the host could give that lacks least."""
    if not hosts:
        return {}

    def lack(host: Host) -> float:
        return sum(max(0, amount - host.free(name)) / amount for name, amount in wish.resources.items())

    best = min(hosts, key=lambda host: (lack(host), host.name))
    return {name: max(0, best.free(name)) for name in wish.resources}


# filters


def named(host: Host, wish: Wish) -> str | None:
    if host.name in wish.leaves:
        return "is where it is now"
    return None if wish.host in (None, host.name) else "another host was asked for"


def in_use(host: Host, wish: Wish) -> str | None:
    if host.disabled is not None:
        return f"taken out of use{f': {host.disabled}' if host.disabled else ''}"
    if not host.usable:
        return "does not answer, or has debts to pay"
    return "has not told yet what it has" if host.offer is None else None


def in_zone(host: Host, wish: Wish) -> str | None:
    return None if wish.zone in (None, host.zone) else "is in another availability zone"


def with_traits(host: Host, wish: Wish) -> str | None:
    traits = host.offer.traits if host.offer else NAMES
    for source in (wish.extra_specs, wish.image):
        for key, value in source.items():
            trait = key.removeprefix("trait:")
            if trait != key and value == "required" and trait not in traits:
                return f"lacks the trait {trait}"
            if trait != key and value == "forbidden" and trait in traits:
                return f"has the trait {trait}"
    return None


def with_room(host: Host, wish: Wish) -> str | None:
    for name, amount in wish.resources.items():
        room = host.offer.rooms.get(name) if host.offer else None
        if room is None:
            return f"has no {UNITS.get(name, name)} to give"
        if not room.takes(amount):
            return f"has not {amount} {UNITS.get(name, name)} free"
    return None


def for_tenant(host: Host, wish: Wish) -> str | None:
    """An aggregate may be for some projects alone: `filter_tenant_id`, and others with a number behind."""
    for aggregate in host.aggregates:
        allowed = [v for key, v in aggregate.items() if key.startswith("filter_tenant_id")]
        if allowed and wish.project_id not in listed(allowed):
            return "is for other projects"
    return None


def for_flavors(host: Host, wish: Wish) -> str | None:
    """Aggregates may be for some flavors alone: `instance_type` names them."""
    allowed = [aggregate["instance_type"] for aggregate in host.aggregates if "instance_type" in aggregate]
    return "is for other flavors" if allowed and wish.flavor not in listed(allowed) else None


def for_images(host: Host, wish: Wish) -> str | None:
    """A property that both an image and an aggregate have must be the same; the aggregate may list several values."""
    for key, wanted in wish.image.items() if host.aggregates else ():
        allowed = [aggregate[key] for aggregate in host.aggregates if key in aggregate]
        if allowed and str(wanted) not in listed(allowed):
            return f"is not for images with {key} {wanted}"
    return None


def listed(texts: Iterable[str]) -> set[str]:
    """The words between the commas."""
    return {word.strip() for text in texts for word in text.split(",")}


def for_specs(host: Host, wish: Wish) -> str | None:
    """What a flavor asks of aggregates: the value of each key in one that the host is in."""
    for key, wanted in wish.extra_specs.items():
        name = key.removeprefix(SCOPED)
        if name == key:
            continue
        values = listed(each[name] for each in host.aggregates if name in each)
        if not any(matches(value, wanted) for value in values):
            return f"is in no aggregate with {name} {wanted}"
    return None


def matches(value: str, wanted: str) -> bool:
    """A value against what an extra spec wants: a word alone is equality, `<or> a <or> b` one of several, `s!= a`, `>= 4`."""
    first, *words = wanted.split() or [""]
    if first in OPERATORS and words:
        return OPERATORS[first](value, words)
    if first in {"=", "==", ">=", "<=", "!="} and words:
        try:
            left, right = float(value), float(words[0])
        except ValueError:
            return False
        return {"=": left >= right, "==": left == right, ">=": left >= right, "<=": left <= right, "!=": left != right}[
            first
        ]
    return value == wanted


def for_image(host: Host, wish: Wish) -> str | None:
    """The architecture and the hypervisor that an image asks for must be the host's."""
    asked = str(wish.image.get("hw_architecture") or wish.image.get("architecture") or host.architecture)
    if asked != host.architecture:
        return f"cannot run {asked}"
    kind = str(wish.image.get("img_hv_type") or "qemu").lower()
    return None if kind in {"qemu", "kvm"} else f"is no {kind}"


def beside(host: Host, wish: Wish) -> str | None:
    return (
        "has none of the servers of the hint same_host"
        if wish.same_host is not None and host.name not in wish.same_host
        else None
    )


def apart(host: Host, wish: Wish) -> str | None:
    return "has a server of the hint different_host" if host.name in wish.different_host else None


def in_group(host: Host, wish: Wish) -> str | None:
    if wish.group is None or wish.group.policy != "affinity" or not wish.group.hosts:
        return None
    return None if host.name in wish.group.hosts else "the servers of its group (affinity) are elsewhere"


def out_of_group(host: Host, wish: Wish) -> str | None:
    if wish.group is None or wish.group.policy != "anti-affinity":
        return None
    has = list(wish.group.hosts).count(host.name)
    return None if has < wish.group.most_per_host else f"has {has} of its group (anti-affinity)"


FILTERS: Mapping[str, Filter] = {
    "HostFilter": named,
    "ComputeFilter": in_use,
    "AvailabilityZoneFilter": in_zone,
    "Traits": with_traits,
    "Placement": with_room,
    "AggregateMultiTenancyIsolation": for_tenant,
    "AggregateInstanceExtraSpecsFilter": for_specs,
    "AggregateTypeAffinityFilter": for_flavors,
    "AggregateImagePropertiesIsolation": for_images,
    "ImagePropertiesFilter": for_image,
    "SameHostFilter": beside,
    "DifferentHostFilter": apart,
    "ServerGroupAffinityFilter": in_group,
    "ServerGroupAntiAffinityFilter": out_of_group,
}
UNFORCED = frozenset({"HostFilter", "ComputeFilter", "Placement"})
"""What counts of a host that an administrator named with its zone (`zone:host`), too."""

# weighers: the more, the better


def weighed(hosts: Sequence[Host], wish: Wish) -> list[Host]:
    """The best first: soft rules of its group, then free memory, vCPUs and disk; its name at last."""

    def weight(host: Host) -> tuple[float, float, str]:
        return (-sympathy(host, wish), -room(host), host.name)

    return sorted(hosts, key=weight)


def room(host: Host) -> float:
    """How much of its memory, vCPUs and disk is free, from 0 to 3."""
    return sum(host.share(name) for name in UNITS)


def won(host: Host, wish: Wish, verdict: Verdict) -> str:
    """Why it is the best, for administrators."""
    group = f", {sympathy(host, wish):+.0f} by its group" if wish.group is not None else ""
    return f"{host.name} is the best of {len(verdict.hosts)}: {room(host) / len(UNITS):.0%} free{group}"


def sympathy(host: Host, wish: Wish) -> float:
    """What a soft policy says: how many of the group are there, or how few."""
    if wish.group is None or not wish.group.policy.startswith("soft-"):
        return 0.0
    has = list(wish.group.hosts).count(host.name)
    return float(has if wish.group.policy == "soft-affinity" else -has)
