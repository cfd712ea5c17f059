"""What a signed request says, and whether it is signed. Pure; the signatures are RFC 5849's, by oauthlib.

Only HMAC-SHA1, and only in the header Authorization, as OpenStack's clients do it.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from hashlib import sha256

import msgspec
from oauthlib.oauth1.rfc5849.signature import (
    base_string_uri,
    collect_parameters,
    normalize_parameters,
    signature_base_string,
)
from oauthlib.oauth1.rfc5849.utils import escape

from pileus.kernel.errors import BadRequest

WINDOW_S = 600
"""How far the time of a request may be from ours, and so how long its nonce is remembered."""

OWN_ID = re.compile(r"[0-9a-f]{32}")
TIME = re.compile(r"[0-9]{1,12}")
FORM = "application/x-www-form-urlencoded"
UNAMBIGUOUS = "abcdefghkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""What a verifier is made of: somebody may have to type it."""


class Message(msgspec.Struct, frozen=True):
    """A request as it came."""

    url: str  # without its query
    authorization: str
    query: str = ""
    form: str = ""  # the body, if it is a form


class Signed(msgspec.Struct, frozen=True):
    """What the header says."""

    message: Message
    said: dict[str, str]

    @property
    def consumer_id(self) -> str:
        return own_id(self.said["oauth_consumer_key"])

    @property
    def token_id(self) -> str:
        return own_id(self.said.get("oauth_token", ""))

    @property
    def nonce_id(self) -> str:
        """One for each request that is to be taken once."""
        parts = (
            self.said.get(name, "") for name in ("oauth_consumer_key", "oauth_token", "oauth_timestamp", "oauth_nonce")
        )
        return sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def own_id(text: str) -> str:
    """The id, if it can be one of ours; else one that nothing has."""
    return text if OWN_ID.fullmatch(text) else ""


def read(message: Message, *, now: float) -> Signed:
    """What the header of a request says. Raises BadRequest when it is not signed in time, once, and in our way."""
    if not message.authorization:
        raise BadRequest("Error parsing headers: a header Authorization with OAuth parameters is expected.")
    try:
        found = collect_parameters(
            headers={"Authorization": message.authorization}, exclude_oauth_signature=False, with_realm=False
        )
        collect_parameters(uri_query=message.query, body=message.form)
    except ValueError as e:
        raise BadRequest(f"Error parsing headers: {e}") from None
    said = dict(found)
    for name in ("consumer_key", "signature_method", "signature", "timestamp", "nonce"):
        if not said.get(f"oauth_{name}"):
            raise BadRequest(f"Expecting to find oauth_{name} in request.")
    if said["oauth_signature_method"] != "HMAC-SHA1" or said.get("oauth_version", "1.0") != "1.0":
        raise BadRequest("Invalid signature: only OAuth 1.0 with HMAC-SHA1 is known here.")
    time = said["oauth_timestamp"]
    if TIME.fullmatch(time) is None or abs(now - int(time)) > WINDOW_S:
        raise BadRequest(f"Timestamp given is invalid, differ from allowed by over {WINDOW_S} seconds.")
    return Signed(message, said)


def is_signed(signed: Signed, consumer_secret: str, token_secret: str = "") -> bool:
    """Whether these secrets have signed the request: all of it, or what is in its header.

    OpenStack's clients sign the address of a login before they append `?nocatalog`.
    """
    message = signed.message
    headers = {"Authorization": message.authorization}
    whole = collect_parameters(uri_query=message.query, body=message.form, headers=headers)
    key = f"{escape(consumer_secret)}&{escape(token_secret)}".encode()
    fits = []
    for params in (whole, collect_parameters(headers=headers)):
        said = normalize_parameters(params)  # type: ignore[arg-type] # the stub errs: it takes pairs
        covered = signature_base_string("POST", base_string_uri(message.url), said)
        expected = b64encode(hmac.digest(key, covered.encode(), "sha1"))
        fits.append(hmac.compare_digest(signed.said["oauth_signature"].encode(), expected))
    return any(fits)
