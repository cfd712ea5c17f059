"""What `pileus doctor` looks at in the files that a cloud is given and makes: certificates, and who may read what."""

from __future__ import annotations

import os
import pwd
import shlex
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from pileus.cli.finding import Finding
from pileus.cli.orders import User
from pileus.cli.rights import closed_on_the_way
from pileus.cli.rooms import control_state
from pileus.kernel.config import Config

SOON = timedelta(days=30)
TLS = "Clients and hosts refuse the connection."


def certificates(config: Config) -> Iterator[Finding]:
    """Those of the API, of its authority, and of the host that this machine is."""
    state, control, now = Path(config.state), control_state(Path(config.state)), datetime.now(UTC)
    again = "start the API again: it makes a new one"
    anew = "pileus host token NAME on the control machine; here once: pileus serve agent ... --join TOKEN"
    known = {
        control / "ca/server.pem": again,
        control / "ca/ca.pem": f"stop the cloud, remove {control}/ca, start it; give clients the new ca.pem",
        state / "host.pem": anew,
        state / "host/host.pem": "start the cloud again: it makes a new one",
    }
    if config.api.tls_certificate:
        known[Path(config.api.tls_certificate)] = "have it renewed, and start the API again"
        yield from pair(Path(config.api.tls_certificate), Path(config.api.tls_key))
    for path, mend in known.items():
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (FileNotFoundError, PermissionError):  # of the operator's, `pair` and `readable` tell
            continue
        except ValueError as e:
            yield Finding("certificate", f"{path} is none: {e}", TLS, mend, serious=True)
            continue
        yield said_of_certificate(
            str(path), certificate.not_valid_before_utc, certificate.not_valid_after_utc, now, mend
        )


def said_of_certificate(path: str, since: datetime, until: datetime, now: datetime, mend: str) -> Finding:
    seen = f"{path} is good until {until:%Y-%m-%d}"
    if now >= until:
        return Finding("certificate", f"{path} has ended at {until:%Y-%m-%d}", TLS, mend, serious=True)
    if now < since:
        why = "Who has the right time refuses it, or the clock of this machine is wrong."
        return Finding("certificate", f"{path} is good from {since:%Y-%m-%d} on", why, "timedatectl set-ntp true", True)
    return Finding("certificate", seen, TLS, mend) if until - now < SOON else Finding("certificate", seen)


def pair(certificate: Path, key: Path) -> Iterator[Finding]:
    """What the operator has given the API."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as e:
        why, mend = (
            "The API does not start.",
            f"openssl x509 -noout -text -in {shlex.quote(str(certificate))} shows what it is",
        )
        yield Finding("certificate", f"{certificate} with {key}: {e}", why, mend, serious=True)


@dataclass(frozen=True)
class Given:
    """A file that an option names. `secret`: nobody but the cloud may read it."""

    option: str
    path: Path
    secret: bool = True


def permissions(config: Config) -> Iterator[Finding]:
    """Files that options name, and whether whoever needs them reaches them: of root's cloud that is another user."""
    given = (
        Given("site_key_file", Path(config.site_key_file)),
        Given("database.password_file", Path(config.database.password_file)),
        Given("api.tls_key", Path(config.api.tls_key)),
        Given("api.tls_certificate", Path(config.api.tls_certificate), secret=False),
    )
    user = who_serves(config.user)
    for each in given:
        if each.path != Path():
            yield said_of_file(each, user)


def who_serves(name: str) -> User:
    """The control process' user; we, when that cannot be or is not there yet."""
    me = User("you", os.geteuid(), os.getegid())
    if os.geteuid() != 0:
        return me
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return me
    return User(name, found.pw_uid, found.pw_gid)


def said_of_file(given: Given, user: User) -> Finding:
    about, path, quoted = f"{given.option}", given.path, shlex.quote(str(given.path))
    why = "The cloud does not start."
    try:
        found = path.stat()
    except OSError as e:
        return Finding(about, f"{path}: {e.strerror}", why, f"pileus config show | grep {given.option}", serious=True)
    door = closed_on_the_way(path, user) if user.uid else None
    if door is not None:
        return Finding(
            about, f"{user.name} cannot pass {door}", why, f"chmod o+x {shlex.quote(str(door))}", serious=True
        )
    right = 0o400 if found.st_uid == user.uid else 0o040 if found.st_gid == user.gid else 0o004
    if user.uid and not found.st_mode & right:
        return Finding(
            about, f"{user.name} cannot read {path}", why, f"chown {user.uid}:{user.gid} {quoted}", serious=True
        )
    if given.secret and found.st_mode & 0o077:
        why = "Others on this machine can read a secret."
        return Finding(about, f"{path} is {found.st_mode & 0o777:04o}", why, f"chmod 600 {quoted}")
    return Finding(about, f"{path} is readable by {user.name}")


LOOKS = (certificates, permissions)
