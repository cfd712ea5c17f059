"""Whether KVM boots a guest on this machine: a device file proves nothing, and neither does a guest in real mode."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

DEVICE = Path("/dev/kvm")
PROBE_S = 6.0
REACHED = 0x2A
EXPECTED = REACHED << 1 | 1  # how isa-debug-exit makes an exit status of what it was told
SECTOR = 512

# A boot sector that goes from real mode to long mode with paging, as each kernel does, and tells 0x2A to port 0xF4:
#   cli; ds = es = 0; clear three pages at 0x1000; PML4 -> PDPT -> one page of 2 MiB at 0; lgdt; CR4.PAE; CR3 = 0x1000;
#   EFER.LME; CR0.PG|PE; ljmp 8:long; long: mov al, 0x2a; out 0xf4, al; hlt; and the descriptor table
CODE = bytes.fromhex(
    "fa31c08ed88ec0fc66bf001000006631c066b9000c00006766f3ab66c70600100320000066c70600200330000066c706"
    "003083000000660f0116907c0f20e06683c8200f22e066b8001000000f22d866b9800000c00f32660d000100000f300f"
    "20c0660d010000800f22c066ea737c00000800b02ae6f4f4ebfd660f1f4400000000000000000000ffff0000009aaf00"
    "0f00807c0000"
)


async def boots_guests(program: str = "qemu-system-x86_64") -> bool:
    """A guest with the machine's own CPU comes as far as long mode, in a few seconds."""
    return os.access(DEVICE, os.R_OK | os.W_OK) and await comes_up(program, "-accel", "kvm", "-cpu", "host")


async def comes_up(program: str, *accelerator: str) -> bool:
    """Whether the boot sector tells what it shall, with these options of QEMU's."""
    with tempfile.NamedTemporaryFile(prefix="pileus-probe-") as file:
        file.write(CODE.ljust(SECTOR - 2, b"\0") + b"\x55\xaa")
        file.flush()
        machine = ("-m", "16", "-nodefaults", "-display", "none", "-no-reboot")
        port = ("-device", "isa-debug-exit,iobase=0xf4,iosize=1")
        drive = ("-drive", f"file={file.name},format=raw,if=ide,snapshot=on")
        words, nothing = (*accelerator, *machine, *port, *drive), asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                program, *words, stdin=nothing, stdout=nothing, stderr=nothing
            )
        except OSError:
            return False
        try:
            async with asyncio.timeout(PROBE_S):
                return await process.wait() == EXPECTED
        except TimeoutError:
            return False
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
