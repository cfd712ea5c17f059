"""What a server is and may do: its states, what each action asks of them, its hostname. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.errors import Conflict
from pileus.services.compute.flavors.service import Flavor

__all__ = ["Fault", "Flavor", "ImageFacts", "Key"]

NO_POWER, RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED = 0, 1, 3, 4, 6, 7
HOSTNAME_LENGTH = 63

STATUS = {
    "active": {"default": "ACTIVE"},
    "building": {"default": "BUILD"},
    "stopped": {"default": "SHUTOFF"},
    "resized": {"default": "VERIFY_RESIZE"},
    "paused": {"default": "PAUSED"},
    "suspended": {"default": "SUSPENDED"},
    "rescued": {"default": "RESCUE"},
    "error": {"default": "ERROR"},
    "deleted": {"default": "DELETED"},
    "soft-delete": {"default": "SOFT_DELETED"},
    "shelved": {"default": "SHELVED"},
    "shelved_offloaded": {"default": "SHELVED_OFFLOADED"},
}
REBOOTING = {
    "rebooting": "REBOOT",
    "reboot_pending": "REBOOT",
    "reboot_started": "REBOOT",
    "rebooting_hard": "HARD_REBOOT",
    "reboot_pending_hard": "HARD_REBOOT",
    "reboot_started_hard": "HARD_REBOOT",
}
REBUILDING = dict.fromkeys(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"), "REBUILD")
RESIZING = dict.fromkeys(("resize_prep", "resize_migrating", "resize_migrated", "resize_finish"), "RESIZE")
STATUS["active"] |= {
    **REBOOTING,
    **REBUILDING,
    **RESIZING,
    "updating_password": "PASSWORD",
    "migrating": "MIGRATING",
}
STATUS["stopped"] |= {
    **RESIZING,
    **REBUILDING,
    "rebooting_hard": "HARD_REBOOT",
    "reboot_pending_hard": "HARD_REBOOT",
    "reboot_started_hard": "HARD_REBOOT",
}
STATUS["resized"] |= {"resize_reverting": "REVERT_RESIZE"}
for _state in ("paused", "suspended", "rescued"):
    STATUS[_state] |= {"rebooting_hard": "HARD_REBOOT", "migrating": "MIGRATING"}
STATUS["error"] |= {**REBUILDING, "rebooting_hard": "HARD_REBOOT"}

STATES_OF_STATUS = {
    status: sorted({state for state, names in STATUS.items() if status in names.values()})
    for status in {name for names in STATUS.values() for name in names.values()}
}


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a server remembers of its image."""

    id: UUID | None = None
    name: str | None = None
    disk_format: str = "raw"
    min_disk_gib: int = 0
    min_memory_mib: int = 0
    size_bytes: int = 0
    sha512: str | None = None
    properties: dict[str, Any] = {}


class Key(msgspec.Struct, frozen=True):
    """A key pair as it was when the server was made."""

    name: str
    type: str
    public_key: str


class Fault(msgspec.Struct, frozen=True):
    """Why a server is in ERROR, or what was last refused of it. `details` are for administrators."""

    code: int
    message: str
    created_at: float
    details: str = ""


class Needs(msgspec.Struct, frozen=True):
    """The states in which a server may be asked something. `task_states` None: whatever is being done with it."""

    vm_states: frozenset[str] | None
    task_states: frozenset[str | None] | None = frozenset({None})


def needs(*vm_states: str, tasks: tuple[str | None, ...] | None = (None,)) -> Needs:
    return Needs(frozenset(vm_states) or None, None if tasks is None else frozenset(tasks))


NEEDS = {
    "start": needs("stopped"),
    "restore": needs("soft-delete"),
    "stop": needs("active", "error"),
    "soft reboot": needs("active"),
    "hard reboot": needs(
        "active",
        "stopped",
        "paused",
        "suspended",
        "error",
        tasks=(
            None,
            "rebooting",
            "reboot_pending",
            "reboot_started",
            "rebooting_hard",
            "pausing",
            "suspending",
            "resuming",
        ),
    ),
    "pause": needs("active"),
    "unpause": needs("paused"),
    "suspend": needs("active"),
    "resume": needs("suspended"),
    "rebuild": needs("active", "stopped", "error"),
    "resize": needs("active", "stopped"),
    "migrate": needs("active", "stopped"),
    "os-migrateLive": needs("active", "paused"),
    "force_complete": needs(tasks=("migrating",)),
    "abort live migration": needs(tasks=("migrating",)),
    "evacuate": needs("active", "stopped", "error", tasks=None),
    "confirmResize": needs("resized"),
    "revertResize": needs("resized"),
    "createImage": needs("active", "stopped", "paused", "suspended"),
    "createBackup": needs("active", "stopped", "paused", "suspended"),
    "changePassword": needs("active"),
    "rescue": needs("active", "stopped", "error"),
    "unrescue": needs("rescued"),
    "shelve": needs("active", "stopped", "paused", "suspended"),
    "shelveOffload": needs("shelved"),
    "unshelve": needs("shelved", "shelved_offloaded"),
    "attach_volume": needs("active", "paused", "stopped", "resized", "soft-delete", "shelved", "shelved_offloaded"),
    "detach_volume": needs(
        "active", "paused", "suspended", "stopped", "resized", "soft-delete", "shelved", "shelved_offloaded"
    ),
    "attach_interface": needs("active", "paused", "stopped"),
    "detach_interface": needs("active", "paused", "stopped"),
    "get_console_output": needs("active", "rescued", tasks=None),
    "get_vnc_console": needs(tasks=None),
    "get_diagnostics": needs("active", "rescued", tasks=None),
    "update_server_metadata": needs("active", "paused", "suspended", "stopped", tasks=None),
    "delete_server_metadata": needs("active", "paused", "suspended", "stopped", tasks=None),
    "set_metadata": needs("active", "paused", "suspended", "stopped", tasks=None),
    "tags": needs("active", "paused", "suspended", "stopped", tasks=None),
    "reset_state": needs(tasks=None),
    "addSecurityGroup": needs("active", "stopped", "paused", "suspended", "building", "error", "rescued", tasks=None),
}


class WrongState(Conflict):
    """The server is in a state in which this cannot be asked of it."""


def status_of(vm_state: str, task_state: str | None) -> str:
    """The one word of the API."""
    names = STATUS.get(vm_state, {"default": "UNKNOWN"})
    return names.get(task_state or "default", names["default"])


def check(action: str, server_id: UUID, vm_state: str, task_state: str | None) -> None:
    """Raises WrongState, which says what stands against it."""
    wanted = NEEDS[action]
    if wanted.vm_states is not None and vm_state not in wanted.vm_states:
        raise WrongState(f"Cannot '{action}' instance {server_id} while it is in vm_state {vm_state}")
    if wanted.task_states is not None and task_state not in wanted.task_states:
        raise WrongState(f"Cannot '{action}' instance {server_id} while it is in task_state {task_state}")


def hostname_of(name: str, default: str) -> str:
    """What a guest is called by itself: the name's letters, digits, dots and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[ _.]", "-", plain)
    plain = re.sub(r"[^a-zA-Z0-9-]+", "", plain).lower().strip("-")[:HOSTNAME_LENGTH].rstrip("-")
    return plain or default[:HOSTNAME_LENGTH]


def resources_of(flavor: Flavor, *, local_root: bool, image_disk_gib: int = 0) -> dict[str, int]:
    """What a server of that flavor uses of its host."""
    disk_gib = flavor.ephemeral_gib + -(-flavor.swap_mib // 1024) + (flavor.disk_gib or image_disk_gib) * local_root
    wanted = {"VCPU": flavor.vcpus, "MEMORY_MB": flavor.memory_mib, "DISK_GB": disk_gib}
    wanted |= {
        name.removeprefix("resources:"): int(value)
        for name, value in flavor.extra_specs.items()
        if name.startswith("resources:") and value.isdigit()
    }
    return {name: amount for name, amount in wanted.items() if amount}


def largest(*wishes: dict[str, int]) -> dict[str, int]:
    """So much that each of these wishes fits."""
    return {name: max(wish.get(name, 0) for wish in wishes) for name in sorted({n for wish in wishes for n in wish})}
