"""Paths that are good for one transfer: signed, for one image, one purpose and one subject, until they expire.

Nothing is stored: whoever holds the site key can tell a token that was given out.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import Literal, NamedTuple
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound

PATH = "/image/v2/transfers/"
HOUR_S = 3600
PLACE = b"image transfer"
FORM = re.compile(r"(get|put)\.([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


class Token(NamedTuple):
    """What may be done: `verb` the bytes `blob_id` of an image, on behalf of a subject."""

    image_id: UUID
    blob_id: UUID
    verb: Literal["get", "put"]
    subject_id: UUID
    expires_at: int = 0
    path: str = ""


def token_of(ctx: Ctx, token: Token) -> Token:
    """With its path, for an hour or two from now."""
    token = token._replace(expires_at=(int(ctx.now()) // HOUR_S + 2) * HOUR_S)
    text = said(token)
    return token._replace(path=f"{PATH}{text}.{signature(ctx, text)}")


def said(token: Token) -> str:
    ids = ".".join(each.hex for each in (token.image_id, token.blob_id, token.subject_id))
    return f"{token.verb}.{ids}.{token.expires_at}"


def signature(ctx: Ctx, text: str) -> str:
    return base64.urlsafe_b64encode(ctx.world.seal.sign(text.encode(), place=PLACE)).decode().rstrip("=")


def read(ctx: Ctx, text: str, verb: str) -> Token:
    """The token that was written so. Raises NotFound for one that is none, expired, or for something else."""
    found = FORM.fullmatch(text)
    if found is None or not hmac.compare_digest(found[6], signature(ctx, text.rpartition(".")[0])):
        raise nothing()
    ids = [UUID(hex=found[n]) for n in (2, 3, 4)]
    token = Token(ids[0], ids[1], "put" if found[1] == "put" else "get", ids[2], int(found[5]))
    if token.verb != verb or token.expires_at < ctx.now():
        raise nothing()
    return token


def nothing() -> NotFound:
    """The same for whatever is wrong."""
    return NotFound("There is no such transfer, or its time is over.")
