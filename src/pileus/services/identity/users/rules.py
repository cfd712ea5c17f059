"""What holds for users and their passwords, said by options of the operator and of the user. Pure; times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from pileus.kernel.config import Identity

DAY_S = 86_400
FREE = 5
"""Proofs that may fail before who brings the next one has to wait."""
LONGEST_WAIT_S = 30.0
FORGOTTEN_S = 900.0
"""After so long without a failure nothing is held against anybody."""

Options = Mapping[str, Any]

IGNORE_FIRST_USE = "ignore_change_password_upon_first_use"
IGNORE_EXPIRY = "ignore_password_expiry"
IGNORE_LOCKOUT = "ignore_lockout_failure_attempts"
IGNORE_INACTIVITY = "ignore_user_inactivity"
LOCK_PASSWORD = "lock_password"  # noqa: S105 (the name of an option)
MFA_RULES = "multi_factor_auth_rules"


def merged(before: Options, sent: Options) -> dict[str, Any]:
    """The options after a change: null takes one away; what is said twice in a rule, or as a rule, is said once."""
    after = {name: value for name, value in {**before, **sent}.items() if value is not None}
    if MFA_RULES in after:
        rules = dict.fromkeys(tuple(dict.fromkeys(rule)) for rule in after[MFA_RULES])
        after[MFA_RULES] = [list(rule) for rule in rules]
    return after


def expiry(now: float, options: Options, limits: Identity, *, chosen: bool) -> float | None:
    """When a password that is set now expires. `chosen`: by the user, not by an administrator."""
    if not chosen and limits.change_password_upon_first_use and not options.get(IGNORE_FIRST_USE):
        return now
    if limits.password_expires_days and not options.get(IGNORE_EXPIRY):
        return float(int(now) + limits.password_expires_days * DAY_S)
    return None


def expired(expires_at: float | None, options: Options, now: float) -> bool:
    return expires_at is not None and expires_at <= now and not options.get(IGNORE_EXPIRY)


def days_left(made_at: float, now: float, limits: Identity) -> float:
    """How long a password that the user chose must be kept yet."""
    return made_at / DAY_S + limits.minimum_password_age_days - now / DAY_S


def inactive(last_active_at: float, options: Options, now: float, limits: Identity) -> bool:
    """Whether a user has not logged in for so many days that it counts as disabled."""
    days = limits.disable_user_account_days_inactive
    return bool(days) and now // DAY_S - last_active_at // DAY_S >= days and not options.get(IGNORE_INACTIVITY)


def locked(failures: int, failed_at: float | None, options: Options, now: float, limits: Identity) -> bool:
    """Whether so many passwords in a row were wrong, a short while ago."""
    if not limits.lockout_failure_attempts or failures < limits.lockout_failure_attempts or failed_at is None:
        return False
    over = limits.lockout_duration_s and failed_at + limits.lockout_duration_s <= now
    return not over and not options.get(IGNORE_LOCKOUT)


def wait_s(failures: int) -> float:
    """How long after the last of so many failures no further proof is looked at: 1, 2, 4 ... 30 s."""
    return 0.0 if failures < FREE else min(2.0 ** min(failures - FREE, 10), LONGEST_WAIT_S)


def network(source: str) -> str:
    """Where somebody is who can take any address there: one of IPv4, or 64 bits of IPv6."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if not isinstance(address, IPv6Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ip_network((address, 64), strict=False))
