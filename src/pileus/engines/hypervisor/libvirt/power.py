"""Guests on and off, whoever else may be at it. Runs in threads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import libvirt

from pileus.engines.hypervisor.libvirt.connection import domain_of


def start(domain: Any) -> None:
    """It runs. What was saved of its memory comes back with it. Somebody else may be at it: an agent before us has told
    libvirtd so, or we have, in a call that nobody waits for any more."""
    try:
        if not domain.isActive():
            domain.create()
    except libvirt.libvirtError:
        if not domain.isActive():
            raise
    try:
        if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            domain.resume()
    except libvirt.libvirtError:
        if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
            raise


def stop(domain: Any) -> None:
    """It does not run, and nothing of its memory is kept."""
    if domain.isActive():
        with suppress_invalid():
            domain.destroyFlags(0)
    if domain.hasManagedSaveImage():
        domain.managedSaveRemove()


def remove(connection: Any, guest_id: UUID) -> None:
    domain = domain_of(connection, guest_id)
    if domain is not None:
        stop(domain)
        with suppress_invalid():
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


class suppress_invalid:
    """What cannot be done because it is so already is done."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        codes = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
        return isinstance(error, libvirt.libvirtError) and error.get_error_code() in codes
