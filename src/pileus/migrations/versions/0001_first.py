"""The first schema: what the tables of this release say. From the first release on it is written out, never derived."""

from __future__ import annotations

from alembic import op

from pileus.kernel.db.base import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
