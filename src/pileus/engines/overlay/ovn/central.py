"""OVN's central part: two databases and what translates one into the other. One machine of a cloud runs it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from pileus.engines.files import make_directory
from pileus.engines.overlay.ovn.daemons import Daemon, Keeper, run
from pileus.engines.overlay.ovn.ovsdb import Tls

SCHEMAS = Path("/usr/share/ovn")
CONNECTIONS = "--remote=db:OVN_Southbound,SB_Global,connections"
DETACHED = ("--detach", "--no-chdir", "-vconsole:off")


@dataclass(frozen=True)
class Central:
    """Where it is kept, and where hosts on other machines may reach the southbound database: "pssl:6642:ADDRESS".

    Such a host may change what is its own there, by the name in its certificate, and read the rest.
    """

    home: Path
    listen: str = ""
    tls: Tls | None = None
    netns: str = ""  # whose addresses those are

    @property
    def northbound(self) -> Path:
        return self.home / "nb.sock"

    @property
    def southbound(self) -> Path:
        return self.home / "sb.sock"

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """In the order in which they start."""
        return (
            self._database("nb"),
            self._database("sb", CONNECTIONS, *(self.tls.words if self.tls is not None else ())),
            Daemon(
                "northd",
                self.home,
                (
                    "ovn-northd",
                    *where("northd", self.home),
                    f"--unixctl={self.home}/northd.ctl",
                    f"--ovnnb-db=unix:{self.northbound}",
                    f"--ovnsb-db=unix:{self.southbound}",
                ),
            ),
        )

    async def start(self, keeper: Keeper) -> None:
        """All of it runs. Raises Unavailable."""
        make_directory(self.home)
        for daemon in self.daemons:
            if daemon.name != "northd" and daemon.pid() is None:
                await ensure_database(self.home / f"{daemon.name}.db", SCHEMAS / f"ovn-{daemon.name}.ovsschema")
            await keeper.ensure(daemon)
        await run("ovn-nbctl", f"--db=unix:{self.northbound}", "init")
        south = ("ovn-sbctl", f"--db=unix:{self.southbound}")
        await run(*south, "init")
        await run(
            *south, *(("set-connection", "role=ovn-controller", self.listen) if self.listen else ("del-connection",))
        )

    def _database(self, name: str, *words: str) -> Daemon:
        server = ("ovsdb-server", *where(name, self.home), f"--unixctl={self.home}/{name}.ctl")
        return Daemon(
            name,
            self.home,
            (*server, f"--remote=punix:{self.home}/{name}.sock", *words, f"{self.home}/{name}.db"),
            self.netns,
        )


def where(name: str, home: Path) -> tuple[str, ...]:
    """What every daemon of ours is told."""
    return (*DETACHED, f"--pidfile={home}/{name}.pid", f"--log-file={home}/{name}.log")


async def ensure_database(file: Path, schema: Path) -> None:
    """The file is a database of this schema; one of an older release is brought up to it. Its server must not run."""
    if not await asyncio.to_thread(file.exists):
        draft = file.with_suffix(".new")
        await run("ovsdb-tool", "create", str(draft), str(schema))
        os.rename(draft, file)
    elif (await run("ovsdb-tool", "needs-conversion", str(file), str(schema))).strip() == "yes":
        await run("ovsdb-tool", "convert", str(file), str(schema))
