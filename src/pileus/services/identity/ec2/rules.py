"""Signatures of Amazon's kind, and what of a request they cover. Pure.

Versions 0 to 2 stand in parameters, version 4 in the header Authorization or in parameters X-Amz-...; S3 sends the text
that was signed. Sources: AWS Signature Version 2 and 4, RFC 2104.
"""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64decode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from pileus.kernel.errors import Unauthorized

AWS4 = "AWS4-HMAC-SHA256"
S3_SERVICES = ("s3", "iam", "sts")
UNSIGNED = ("Signature", "X-Amz-Signature")


class Signed(msgspec.Struct, kw_only=True):
    """A request as a service passes it on, for us to say whether its signature is good."""

    access: str = ""
    signature: str = ""
    host: str = ""
    verb: str = ""
    path: str = ""
    params: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    body_hash: str = ""
    token: str = ""  # S3: what was signed, in Base64


class Signature(msgspec.Struct, frozen=True):
    """What the signature of a request must be, and the time that is signed with it, if one is."""

    text: str
    time: str | None = None


def invalid() -> Unauthorized:
    return Unauthorized("Invalid EC2 signature.")


def same(sent: str, expected: str) -> bool:
    """Takes as long wherever they differ."""
    return hmac.compare_digest(sent.encode(), expected.encode())


def in_base64(key: str, text: bytes, digest: str) -> str:
    return b64encode(hmac.digest(key.encode(), text, digest)).decode()


def check_ec2(secret: str, request: Signed) -> str | None:
    """The time that was signed with the request, if any. Raises Unauthorized unless the secret has signed it.

    Some clients sign the host without its port.
    """
    if not request.signature:
        raise Unauthorized("EC2 signature not supplied.")
    for host in dict.fromkeys((request.host, without_port(request.host))):
        expected = signature(secret, msgspec.structs.replace(request, host=host))
        if same(request.signature, expected.text):
            return expected.time
    raise invalid()


def without_port(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def signature(secret: str, request: Signed) -> Signature:
    """What the signature must be. Raises Unauthorized for a version that there is not."""
    params = {name: str(value) for name, value in request.params.items() if name not in UNSIGNED}
    headers = {name.lower().strip(): str(value) for name, value in request.headers.items()}
    version = params.get("SignatureVersion")
    if version is None and (headers.get("authorization", "").startswith(AWS4) or params.get("X-Amz-Algorithm") == AWS4):
        return version_4(secret, request, params, headers)
    if version not in {"0", "1", "2"}:
        raise Unauthorized(f"Unknown signature version: {str(version)[:40]}")
    time = params.get("Timestamp")
    if version == "0":
        return Signature(in_base64(secret, (params.get("Action", "") + (time or "")).encode(), "sha1"), time)
    if version == "1":
        text = "".join(name + params[name] for name in sorted(params, key=str.lower))
        return Signature(in_base64(secret, text.encode(), "sha1"), time)
    said = canonical({**params, "SignatureMethod": "HmacSHA256"})
    text = "\n".join((request.verb, request.host, request.path, said))
    return Signature(in_base64(secret, text.encode(), "sha256"), time)


def canonical(params: dict[str, str]) -> str:
    """Parameters in the one way that both sides write them."""
    return "&".join(f"{quote(name, safe='')}={quote(params[name], safe='-_~')}" for name in sorted(params))


def version_4(secret: str, request: Signed, params: dict[str, str], headers: dict[str, str]) -> Signature:
    """The date that is signed must be of the day that the key is for."""

    def said(name: str) -> str:
        if "authorization" in headers:
            return headers["authorization"].partition(f"{name}=")[2].partition(",")[0]
        return params.get(f"X-Amz-{name}", "")

    time = headers.get("x-amz-date") or params.get("X-Amz-Date", "")
    _, _, scope = said("Credential").partition("/")
    signed = said("SignedHeaders")
    shown = [f"{name}:{' '.join(headers[name].split())}" for name in signed.split(";") if name in headers]
    query = "" if request.verb.upper() == "POST" else canonical(params)  # of a POST they are in the body
    text = "\n".join((request.verb.upper(), request.path, query, *shown, "", signed, request.body_hash))
    if not scope or not time.startswith(scope.partition("/")[0]):
        raise invalid()
    covered = "\n".join((AWS4, time, scope, sha256(text.encode()).hexdigest()))
    return Signature(with_scope(secret, scope, covered.encode()), time)


def with_scope(secret: str, scope: str, text: bytes) -> str:
    """Signed with the key for that scope: date/region/service/aws4_request. Raises Unauthorized for what is no scope."""
    parts = scope.split("/")
    if len(parts) != 4 or parts[3] != "aws4_request":
        raise invalid()
    key = b"AWS4" + secret.encode()
    for part in parts:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text, "sha256").hex()


def check_s3(secret: str, request: Signed) -> None:
    """Raises Unauthorized unless the secret has signed what `token` holds."""
    try:
        text = urlsafe_b64decode(request.token)
    except ValueError:
        raise invalid() from None
    if not text or not same(request.signature, s3_signature(secret, text)):
        raise Unauthorized("Credential signature mismatch")


def s3_signature(secret: str, text: bytes) -> str:
    if not text.startswith(b"AWS4"):
        return in_base64(secret, text, "sha1")
    parts = text.decode(errors="replace").split("\n")
    scope = parts[2].split("/") if len(parts) == 4 and parts[0] == AWS4 else []
    if len(scope) != 4 or scope[2] not in S3_SERVICES:
        raise invalid()
    return with_scope(secret, parts[2], text)


def check_time(time: str | None, *, now: float, ttl_s: float) -> None:
    """Raises Unauthorized for what was signed too long ago. Who signs no time has left it out on purpose."""
    if not time:
        return
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as e:
        raise Unauthorized(f"Credential timestamp is invalid: {e}") from None
    if now > (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() + ttl_s:
        raise Unauthorized("Credential is expired")
