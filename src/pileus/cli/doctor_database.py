"""What `pileus doctor` looks at in the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pileus.cli.finding import Finding
from pileus.cli.rooms import control_state
from pileus.kernel.config import Config, ConfigError, database_url
from pileus.kernel.errors import CloudError
from pileus.kernel.migrate import Schema, State

POSTGRES = 140_000
SKEW_S = 5.0
BESIDE_POOL = 1  # the connection that listens
CLOUD = "Without it there is no cloud."
LOSES = "A power cut loses what was acknowledged."
ON = {
    "fsync": LOSES,
    "full_page_writes": LOSES,
    "synchronous_commit": LOSES,
    "autovacuum": "Without statistics it asks as of an empty cloud: requests get slower with every server there is.",
}
"""What must be on, and what becomes of a cloud without."""


@dataclass(frozen=True)
class Facts:
    """What a PostgreSQL says of itself. `connections`: how many all of us may have; `off`: what of `ON` is."""

    version: int
    skew_s: float
    connections: int
    standby: bool
    schema: Schema
    off: tuple[str, ...] = ()


def database(config: Config) -> Iterator[Finding]:
    config = msgspec.structs.replace(config, state=str(control_state(Path(config.state))))
    try:
        url = database_url(config)
    except ConfigError as e:
        mend = "write the password there, readable by the cloud's user alone"
        yield Finding("database", str(e), CLOUD, mend, serious=True)
        return
    if not url.startswith("postgres"):
        path = Path(url.removeprefix("sqlite:///"))
        yield Finding("database", f"{path}" if path.exists() else f"{path} will be made")
        return
    import asyncpg

    try:
        facts = asyncio.run(asked(config, url))
    except (OSError, TimeoutError, ValueError, CloudError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        mend = "pg_isready; pileus config show | grep database"
        yield Finding("database", f"does not answer: {e}", CLOUD, mend, serious=True)
        return
    yield from said_of(facts, config.database.pool_size)


async def asked(config: Config, url: str) -> Facts:
    import asyncpg

    from pileus.cli.database import opened
    from pileus.kernel import migrate

    connection = await asyncpg.connect(url, timeout=10)
    try:
        version = int(await connection.fetchval("SHOW server_version_num"))
        now = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        skew_s = now - time.time()
        most, kept = [
            int(await connection.fetchval(f"SHOW {name}"))
            for name in ("max_connections", "superuser_reserved_connections")
        ]
        standby = await connection.fetchval("SELECT pg_is_in_recovery()")
        off = tuple([name for name in ON if await connection.fetchval(f"SHOW {name}") == "off"])
    finally:
        await connection.close()
    async with opened(config) as db:
        return Facts(version, skew_s, most - kept, standby, await migrate.schema(db), off)


def said_of(facts: Facts, pool_size: int) -> Iterator[Finding]:
    seen = f"PostgreSQL {facts.version // 10_000}"
    if facts.version < POSTGRES:
        mend = "apt-get install postgresql-16, then pg_upgradecluster"
        yield Finding("database", seen, "Pileus needs 14 or newer.", mend, serious=True)
    elif facts.standby:
        mend = "name the primary by database.url; or promote this one: SELECT pg_promote()"
        yield Finding("database", f"{seen}, a standby", "Nothing can be written there.", mend, serious=True)
    else:
        yield Finding("database", seen)
    if abs(facts.skew_s) > SKEW_S:
        why = "Stamps and tokens of machines whose clocks differ disagree."
        mend = "timedatectl set-ntp true, on both machines"
        yield Finding("database clock", f"{facts.skew_s:+.1f} s from ours", why, mend)
    for name in facts.off:
        yield Finding("database " + name, "off", ON[name], f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()")
    yield connections(facts.connections, pool_size + BESIDE_POOL)
    yield schema(facts.schema)


def connections(most: int, each: int) -> Finding:
    """`each` process of the cloud takes so many: an API process and a worker are the least there is."""
    processes = most // each
    seen = f"{most} connections, enough for {processes} processes"
    if processes >= 2:
        return Finding("database connections", seen)
    why = f"Each process keeps up to {each}; who gets none answers 503."
    mend = f"ALTER SYSTEM SET max_connections = {10 * each}, and restart PostgreSQL; or lower database.pool_size"
    return Finding("database connections", seen, why, mend)


def schema(found: Schema) -> Finding:
    about, seen = "database schema", f"{found.state}: {found.revision or 'none'}, this release has {found.head}"
    match found.state:
        case State.CURRENT:
            return Finding(about, seen)
        case State.NEWER:
            why = "It works while a newer release is being brought in, not for long."
            return Finding(about, seen, why, "install that release here, too")
        case State.FOREIGN:
            why = "These tables are somebody else's, and Pileus leaves them alone."
            return Finding(about, seen, why, "createdb pileus, and name it by database.url", serious=True)
        case _:
            return Finding(about, seen, "API and workers do not start.", "pileus db upgrade")
