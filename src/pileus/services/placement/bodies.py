"""What callers say of inventories and of allocations, at each microversion."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.http import Body
from pileus.services.placement.allocations.service import Claim, Resources
from pileus.services.placement.inventories.service import FIELDS, LARGEST_RATIO, MOST, Inventory

ClassName = Annotated[str, Meta(pattern="^[A-Z0-9_]+$", max_length=255)]
Count = Annotated[int, Meta(ge=1, le=MOST)]

NOBODY = "00000000-0000-0000-0000-000000000000"
"""Whose allocations are that were made before 1.8 and name no owner."""

Amount = Annotated[int, Meta(ge=1)]
Amounts = Annotated[dict[ClassName, Amount], Meta(min_length=1, max_length=100)]
Owner = Annotated[str, Meta(min_length=1, max_length=255)]
Suffix = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{0,64}$")]
MANY = 1000


class Given(Body, frozen=True, kw_only=True):
    """An inventory."""

    total: Count
    reserved: Annotated[int, Meta(ge=0, le=MOST)] = 0
    min_unit: Count = 1
    max_unit: Count = MOST
    step_size: Count = 1
    allocation_ratio: Annotated[float, Meta(ge=0, le=LARGEST_RATIO)] = 1.0
    resource_provider_generation: int | UnsetType = UNSET

    @property
    def inventory(self) -> Inventory:
        return Inventory(**{name: getattr(self, name) for name in FIELDS})


class GivenOfClass(Given, frozen=True, kw_only=True):
    resource_class: ClassName


class GivenAt(Given, frozen=True, kw_only=True):
    resource_provider_generation: int


class Inventories(Body, frozen=True, kw_only=True):
    """All that a provider has."""

    resource_provider_generation: int
    inventories: Annotated[dict[ClassName, Given], Meta(max_length=MANY)]

    @property
    def wanted(self) -> dict[str, Inventory]:
        return {name: given.inventory for name, given in self.inventories.items()}


class Named(Body, frozen=True, kw_only=True):
    uuid: UUID


class OfNamed(Body, frozen=True, kw_only=True):
    resource_provider: Named
    resources: Amounts


class Anonymous(Body, frozen=True, kw_only=True):
    """1.0 to 1.7."""

    allocations: Annotated[list[OfNamed], Meta(min_length=1, max_length=MANY)]

    @property
    def resources(self) -> Resources:
        return {str(each.resource_provider.uuid): each.resources for each in self.allocations}

    @property
    def claim(self) -> Claim:
        return Claim(resources=self.resources, project_id=NOBODY, user_id=NOBODY)


class Owned(Anonymous, frozen=True, kw_only=True):
    """1.8 to 1.11."""

    project_id: Owner
    user_id: Owner

    @property
    def claim(self) -> Claim:
        return Claim(resources=self.resources, project_id=self.project_id, user_id=self.user_id)


class OfProvider(Body, frozen=True, kw_only=True):
    resources: Amounts
    generation: int | UnsetType = UNSET  # as in the answer of a GET; nothing is made of it


class Keyed(Body, frozen=True, kw_only=True):
    """1.12 to 1.27. Empty: free it all, in POST."""

    allocations: Annotated[dict[UUID, OfProvider], Meta(max_length=MANY)]
    project_id: Owner
    user_id: Owner

    @property
    def resources(self) -> Resources:
        return {str(provider_id): each.resources for provider_id, each in self.allocations.items()}

    @property
    def claim(self) -> Claim:
        return Claim(resources=self.resources, project_id=self.project_id, user_id=self.user_id)


class Filled(Keyed, frozen=True, kw_only=True):
    """In PUT."""

    allocations: Annotated[dict[UUID, OfProvider], Meta(min_length=1, max_length=MANY)]


class Counted(Keyed, frozen=True, kw_only=True):
    """1.28 to 1.33."""

    consumer_generation: int | None

    @property
    def claim(self) -> Claim:
        return msgspec.structs.replace(super().claim, generation=self.consumer_generation)


class Mapped(Counted, frozen=True, kw_only=True):
    """1.34 to 1.37: the `mappings` of a candidate may be sent along; nothing is made of them."""

    mappings: Annotated[dict[Suffix, Annotated[list[UUID], Meta(min_length=1)]], Meta(min_length=1)] | UnsetType = UNSET


class Typed(Mapped, frozen=True, kw_only=True):
    """From 1.38 on."""

    consumer_type: ClassName

    @property
    def claim(self) -> Claim:
        return msgspec.structs.replace(super().claim, consumer_type=self.consumer_type)
