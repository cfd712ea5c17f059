"""Which database stands behind a URL."""

from __future__ import annotations

from pathlib import Path

from pileus.kernel.db.base import Database


def open_database(url: str, *, pool_size: int = 10, read_deadline_s: float = 5.0) -> Database:
    """The database at `url`: `sqlite:///path` or `postgresql://user:password@host/name`. Nothing is opened before `start`."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        from pileus.kernel.db.sqlite import SqliteDatabase

        return SqliteDatabase(Path(rest.removeprefix("/")), read_deadline_s=read_deadline_s)
    if scheme in {"postgresql", "postgres"}:
        from pileus.kernel.db.postgres import PostgresDatabase

        return PostgresDatabase(f"postgresql+asyncpg://{rest}", pool_size=pool_size, read_deadline_s=read_deadline_s)
    raise ValueError(f"database url {scheme}://…: only sqlite:/// and postgresql:// are known")
