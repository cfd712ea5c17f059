"""What a fault says: which requests, operations or volumes, which of those, and what they suffer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from pileus.kernel import errors
from pileus.kernel.errors import CloudError, TooManyRequests

Text = Annotated[str, Meta(max_length=255)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
REMEMBERED = 10_000  # operations of which a fault knows whether it meets them
SPARED = frozenset({"faults", "pileus", "metrics", "root"})  # the way out stays open
IDENTITY = "identity"  # without which nobody gets anywhere: it suffers where it is named


class BadGateway(CloudError):
    """What a proxy before the cloud would say."""

    status, code, title = 502, "badGateway", "Bad Gateway"


class GatewayTimeout(CloudError):
    """As above."""

    status, code, title = 504, "gatewayTimeout", "Gateway Timeout"


def kinds(of: type[CloudError]) -> Iterator[type[CloudError]]:
    """That kind of error and those below it."""
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


OWN = (errors.__name__, __name__)
BY_STATUS = {kind.status: kind for kind in reversed(list(kinds(CloudError))) if kind.__module__ in OWN}
STATUSES = ", ".join(map(str, sorted(BY_STATUS)))


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A fault as it is asked for: of requests, with `operation` of what a server, a volume or a port takes long for, with
    `lose` of volumes that there are.

    Which: each may be a pattern with * and ?; an empty one is any. `path` is the whole path as a client sends it, without
    the query; `operation` is called compute.create_server or create_server; `name` is of what it works on, or of the volume,
    which may be said by its id; `tag` is of that, or of what the path of a request names; `project` is a name or an id.

    `skip` lets the first ones pass, `count` ends the fault after so many, `chance` throws dice that fall as `seed` has it.
    A fault ends by itself after `seconds`.
    """

    service: Text = ""
    method: Text = ""
    path: Text = ""
    action: Text = ""
    operation: Text = ""
    name: Text = ""
    tag: Text = ""
    project: Text = ""
    skip: Count = 0
    count: Count | None = None
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seed: Annotated[int, Meta(ge=0, le=1 << 62)] = 0
    seconds: Annotated[float, Meta(gt=0, le=86_400)] = 3600.0
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0
    status: int | None = None
    retry_after_s: Annotated[int, Meta(ge=0, le=86_400)] = 1
    cut_bytes: Count | None = None
    bytes_per_s: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    hold: bool = False
    fail: bool = False
    lose: bool = False
    message: Annotated[str, Meta(max_length=1000)] = "A fault was asked for."

    def __post_init__(self) -> None:
        asked = (self.service, self.method, self.path, self.action)
        effects = (self.status, self.cut_bytes, self.bytes_per_s)
        of_requests, of_operations = [*asked, *effects], [self.operation, self.hold, self.fail]
        if self.lose:
            wrong: list[object] = [*of_requests, *of_operations, self.delay_ms]
        else:
            wrong = [*of_requests] if self.operation else [self.name, *of_operations]
        if any(wrong):
            raise ValueError(
                "either `operation` with name, hold, fail, or `lose` with name, or service, method, path, action with "
                "status, cut_bytes, bytes_per_s"
            )
        if self.status is not None and self.status not in BY_STATUS:
            raise ValueError(f"status is one of {STATUSES}")
        if not (self.delay_ms or self.hold or self.fail or self.lose) and all(value is None for value in effects):
            raise ValueError("nothing would happen: say status, delay_ms, cut_bytes, bytes_per_s, hold, fail or lose")

    @property
    def of_requests(self) -> bool:
        return not self.operation and not self.lose

    def means(self, service: str, method: str, path: str, action: str) -> bool:
        """Whether such a request may suffer from it."""
        if not self.of_requests or service in SPARED or (service == IDENTITY and self.service != IDENTITY):
            return False
        asked = ((self.service, service), (self.method, method), (self.path, path), (self.action, action))
        return all(fits(value, pattern) for pattern, value in asked)

    def means_saga(self, saga: str) -> bool:
        """Whether operations of that name may suffer from it."""
        return bool(self.operation) and (fits(saga, self.operation) or fits(saga.partition(".")[2], self.operation))

    def means_subject(self, name: str, tags: Collection[str]) -> bool:
        return fits(name, self.name) and self.means_tagged(tags)

    def means_tagged(self, tags: Collection[str]) -> bool:
        return not self.tag or any(fits(tag, self.tag) for tag in tags)

    def error(self) -> CloudError:
        """What is answered, for the service to say in its own words."""
        kind = BY_STATUS[self.status or CloudError.status]
        if kind is TooManyRequests:
            return TooManyRequests(self.message, retry_after_s=self.retry_after_s)
        return kind(self.message)


def fits(value: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(value, pattern)


@dataclass
class Fault:
    """One that there is. `created_at` and `ends_at` are stamps for people; `project_id` is of the project it is for."""

    id: UUID
    wanted: Wanted
    project_id: str | None
    created_at: float
    seen: int = 0
    hits: int = 0
    met: dict[UUID, bool] = field(default_factory=dict)  # operations that it could have met, and whether it did
    delayed: dict[UUID, bool] = field(default_factory=dict)  # operations, and whether they have waited for long enough
    dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = Random(self.wanted.seed)  # noqa: S311 (to be foreseen is what it is for)

    @property
    def ends_at(self) -> float:
        return self.created_at + self.wanted.seconds

    @property
    def spent(self) -> bool:
        return self.wanted.count is not None and self.hits >= self.wanted.count

    def is_for(self, project_id: str | None) -> bool:
        return self.project_id is None or self.project_id == project_id

    def strikes(self) -> bool:
        """Count one more that it could meet; whether it does."""
        self.seen += 1
        if self.spent or self.seen <= self.wanted.skip:
            return False
        if self.wanted.chance < 1 and self.dice.random() >= self.wanted.chance:
            return False
        self.hits += 1
        return True

    def meets(self, operation_id: UUID) -> bool:
        """As `strikes`, once for each operation."""
        if operation_id not in self.met:
            if len(self.met) >= REMEMBERED:
                del self.met[next(iter(self.met))]
            self.met[operation_id] = self.strikes()
        return self.met[operation_id]
