"""JSON documents that are Structs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from pileus.kernel.db.base import JSON

KEPT = 256  # of each column


class Document(TypeDecorator[Any]):
    """A Struct of that kind, or None. Equal texts may give the same Struct: what is in it is not to be changed.

    They do on SQLite, where a document comes as text: a thousand servers have a few flavors and images. `read`: of a text.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        super().__init__()
        self.kind = kind
        self.read = lru_cache(KEPT)(msgspec.json.Decoder(kind | None).decode)

    def result_processor(self, dialect: sa.Dialect, coltype: Any) -> Any:
        kind, read = self.kind | None, self.read
        if dialect.name == "sqlite":
            return lambda text: None if text is None else read(text)
        plain = super().result_processor(dialect, coltype)
        return lambda value: msgspec.convert(plain(value) if plain else value, kind)
