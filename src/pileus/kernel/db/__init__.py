"""One metadata, and a database that behaves the same on SQLite and PostgreSQL.

A service declares its tables on `metadata` and speaks SQLAlchemy Core through the connection of its `Ctx`. What differs
between the two databases is hidden here: how a transaction begins and ends, what is a lock, what may be tried again.
"""

from pileus.kernel.db.base import JSON, Connection, Database, Text, metadata
from pileus.kernel.db.documents import Document
from pileus.kernel.db.open import open_database
from pileus.kernel.db.statements import among, insert_if_new, narrowed, one_of

__all__ = [
    "JSON",
    "Connection",
    "Database",
    "Document",
    "Text",
    "among",
    "insert_if_new",
    "metadata",
    "narrowed",
    "one_of",
    "open_database",
]
