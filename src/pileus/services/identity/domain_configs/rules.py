"""Which options a domain's configuration may have, and how they are named. Pure; the messages are Keystone's."""

from __future__ import annotations

from typing import Any

from pileus.kernel.errors import Forbidden, NotFound
from pileus.kernel.facts import facts

Config = dict[str, dict[str, Any]]
"""Values by group and option."""

GROUPS = facts("identity", "domain_config")
DEFAULTS: Config = {name: {**dict.fromkeys(group["unset"]), **group["defaults"]} for name, group in GROUPS.items()}
COMPLIANCE = "security_compliance"
READABLE = ("password_regex", "password_regex_description")


def invalid(reason: str) -> Forbidden:
    """Keystone's status for it, too."""
    return Forbidden(f"Invalid domain specific configuration: {reason}.")


def missing(domain_id: str, group: str | None, option: str | None) -> NotFound:
    what = f"option {option} in group {group}" if option else f"group {group}" if group else "any options"
    return NotFound(f"Could not find {what} in domain configuration for domain {domain_id}.")


def is_secret(group: str, option: str) -> bool:
    return option in GROUPS[group]["secret"]


def check_names(group: str | None, option: str | None) -> None:
    """Raises Forbidden for a group or an option that no configuration has."""
    if group is not None and group not in GROUPS:
        raise invalid(f"Group {group} is not supported for domain specific configurations")
    if group is not None and option is not None and not (option in DEFAULTS[group] or is_secret(group, option)):
        raise invalid(f"Option {option} in group {group} is not supported for domain specific configurations")


def checked(config: dict[str, Any]) -> Config:
    """The configuration, if it says something and only what may be said. Raises Forbidden."""
    if not config:
        raise invalid("No options specified")
    for group, options in config.items():
        if not options or not isinstance(options, dict):
            raise invalid(f"The value of group {group} specified in the config should be a dictionary of options")
        for option in options:
            check_names(group, option)
    return config


def checked_part(config: dict[str, Any], group: str, option: str | None) -> Config:
    """A configuration that says this group alone, or this option of it alone. Raises Forbidden."""
    config = checked({group: config} if option is not None else config)
    check_names(group, option)
    whole = f"Trying to update option {option} in group {group}" if option else f"Trying to update group {group}"
    if config.keys() != {group}:
        raise invalid(f"{whole}, so that, and only that, group must be specified in the config")
    if option is not None and config[group].keys() != {option}:
        raise invalid(f"{whole}, so that, and only that, option must be specified in the config")
    return config


def part(config: Config, group: str | None, option: str | None) -> dict[str, Any]:
    """What is shown of it: all, one group under its name, or one option under its name; empty for what is not there."""
    if group is None:
        return config
    options = config.get(group, {})
    if option is not None:
        return {option: options[option]} if option in options else {}
    return {group: options} if options else {}
