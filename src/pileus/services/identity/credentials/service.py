"""Credentials: what the API and the nouns that log in by them may ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from pileus.kernel.http import Query
from pileus.kernel.seal import SealError
from pileus.services.identity.credentials import rules, store
from pileus.services.identity.credentials.rules import TOTP, id_of, is_ec2, read_ec2
from pileus.services.identity.credentials.store import Bounds, Row
from pileus.services.identity.faults import expecting
from pileus.services.identity.grounds import Basis, basis_of, refuse_restricted
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.users import service as users

__all__ = [
    "TOTP",
    "Credential",
    "change",
    "create",
    "delete",
    "find",
    "get",
    "id_of",
    "is_ec2",
    "of_user",
    "page",
    "read_ec2",
]

CREDENTIAL = "identity.credential"
MOST = 32
"""Of one user and type that a login looks at."""


class Credential(msgspec.Struct, frozen=True):
    """A secret of a user, opened."""

    id: str
    user_id: str
    project_id: str | None
    type: str
    blob: str
    extra: dict[str, Any]
    basis: Basis | None = None  # what tokens made from it rest on
    basis_user_id: str | None = None  # and who had logged in when it was made


def place(credential_id: str) -> bytes:
    """Where a blob opens."""
    return f"identity_credential:{credential_id}".encode()


def opened(ctx: Ctx, row: Row) -> Credential:
    """Raises Unavailable."""
    try:
        blob = ctx.world.seal.open(row.sealed, place=place(row.id)).decode()
    except SealError as e:
        raise Unavailable(
            f"Credential {row.id} cannot be opened: {e}. Bring back the site key of this database."
        ) from e
    basis = Basis(row.basis_kind, row.basis_id) if row.basis_kind and row.basis_id else None
    return Credential(row.id, row.user_id, row.project_id, row.type, blob, row.extra, basis, row.basis_user_id)


def _row(ctx: Ctx, credential: Credential) -> Row:
    sealed = ctx.world.seal.seal(credential.blob.encode(), place=place(credential.id))
    kind, basis_id = credential.basis or (None, None)
    who, project_id = credential.user_id, credential.project_id
    return Row(
        credential.id,
        who,
        project_id,
        credential.type,
        sealed,
        credential.extra,
        kind,
        basis_id,
        credential.basis_user_id,
    )


def bounds_of(ctx: Ctx) -> Bounds | None:
    """How far the caller's token reaches; None when it is the user's own, and no delegated one."""
    basis = basis_of(ctx.caller)
    return None if basis is None else Bounds(ctx.caller.project_id, basis, ctx.caller.facts["token_of"])


async def page(ctx: Ctx, query: Query, *, user_id: str | None, ec2: bool = False) -> Found[Credential]:
    """Those the query string asks for, of one user or of all (None). Raises BadRequest."""
    found = await store.page(ctx, query, bounds_of(ctx), user_id=user_id, ec2=ec2)
    return Found([opened(ctx, row) for row in found.items], found.page)


async def get(ctx: Ctx, credential_id: str) -> Credential:
    """The credential of that id, if it is in the caller's bounds. Raises NotFound."""
    row = await store.get(ctx, credential_id, bounds_of(ctx))
    if row is None:
        raise NotFound(f"Could not find credential: {credential_id}.")
    return opened(ctx, row)


async def find(ctx: Ctx, credential_id: str) -> Credential | None:
    """The credential of that id, whoever asks: for those who log in by it."""
    row = await store.get(ctx, credential_id, None)
    return None if row is None else opened(ctx, row)


async def of_user(ctx: Ctx, user_id: str, type_: str) -> list[Credential]:
    """Those of that user and type, by id: for who logs in by them."""
    return [opened(ctx, row) for row in await store.of_user(ctx, user_id, type_, MOST)]


async def create(
    ctx: Ctx, user_id: str, project_id: str | None, type_: str, blob: str, extra: dict[str, Any]
) -> Credential:
    """A credential. Tokens of an EC2 credential will rest on what the caller's does. Raises BadRequest, Forbidden, Conflict."""
    made = Credential(ctx.world.ids.hex(), user_id, project_id, type_, blob, extra)
    if is_ec2(type_):
        made = _ec2(ctx, made)
    async with revision.change(ctx) as ctx:
        await _check(ctx, made)
        if await store.get(ctx, made.id, None) is not None:
            raise Conflict(
                f"Conflict occurred attempting to store credential - Duplicate entry found with ID {made.id}."
            )
        await store.add(ctx, _row(ctx, made))
        await _check_inside(ctx, made.id)
        await changed(ctx, CREDENTIAL, "created", made.id, project_id=None)
    return made


def _ec2(ctx: Ctx, made: Credential) -> Credential:
    """With the id that its access key gives, and bound to what the caller's token rests on."""
    refuse_restricted(ctx, "additional credentials")
    keys, bounds = read_ec2(made.blob), bounds_of(ctx)
    made = msgspec.structs.replace(made, id=id_of(keys["access"]))
    if bounds is None:
        rules.check_fixed({}, keys)
        return made
    blob = json.dumps({**keys, **rules.own(keys, bounds.basis)})
    return msgspec.structs.replace(made, blob=blob, basis=bounds.basis, basis_user_id=bounds.user_id)


async def _check(ctx: Ctx, wanted: Credential) -> None:
    if is_ec2(wanted.type) and not wanted.project_id:
        raise expecting("project_id", "credential")
    if await users.find(ctx, wanted.user_id) is None:
        raise BadRequest(f"Could not find user: {wanted.user_id}.")


async def _check_inside(ctx: Ctx, credential_id: str) -> None:
    """Raises Forbidden when what was just written is beyond the caller's bounds; then it is not written."""
    if await store.get(ctx, credential_id, bounds_of(ctx)) is None:
        raise Forbidden(
            "You are not authorized to perform the requested action: Credential project does not match the project "
            "scope of the delegated token."
        )


async def change(ctx: Ctx, credential_id: str, wanted: Mapping[str, Any]) -> Credential:
    """Write these: user_id, project_id, type, blob, extra. The id stays, whatever the access key becomes.

    Raises NotFound, BadRequest, Forbidden.
    """
    async with revision.change(ctx) as ctx:
        before = await get(ctx, credential_id)
        after = msgspec.structs.replace(before, **wanted)
        _check_basis(before, after)
        if is_ec2(after.type):
            rules.check_fixed(read_ec2(before.blob) if is_ec2(before.type) else {}, read_ec2(after.blob))
        await _check(ctx, after)
        await store.change(ctx, _row(ctx, after))
        await _check_inside(ctx, credential_id)
        await changed(ctx, CREDENTIAL, "updated", credential_id, project_id=None)
    return after


def _check_basis(before: Credential, after: Credential) -> None:
    """Raises BadRequest when keys would be moved that are good for a token in one project of one user only."""
    if before.basis is not None and (before.user_id, before.project_id) != (after.user_id, after.project_id):
        raise BadRequest(
            "user_id and project_id can not be updated for a credential that was made by a delegated token."
        )


async def delete(ctx: Ctx, credential_id: str) -> None:
    """Delete it; nobody logs in by it from the next request on. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, credential_id)
        await store.delete(ctx, credential_id)
        await changed(ctx, CREDENTIAL, "deleted", credential_id, project_id=None)


@projects.on_delete
async def forget_projects(ctx: Ctx, ids: Sequence[str]) -> None:
    """Those of a user go with the user by the foreign key."""
    await store.forget_projects(ctx, ids)
