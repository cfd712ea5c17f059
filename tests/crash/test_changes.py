"""What an attribute may be, after requests of which some had no answer and some went on at a time."""

from __future__ import annotations

from crash.changes import Kept, unlike


def after(*told: tuple[str, bool | None]) -> Kept:
    kept = Kept()
    for value, acknowledged in told:
        kept.begin()
        kept.end(value, acknowledged)
    return kept


def possible(kept: Kept) -> set[str]:
    return {value for value in "abc" if kept.may_be(value)}


def test_the_last_that_was_acknowledged_counts() -> None:
    assert possible(after(("a", True), ("b", True))) == {"b"}
    assert possible(after(("a", True), ("b", False))) == {"a"}


def test_what_was_not_told_may_come_late() -> None:
    assert possible(after(("a", True), ("b", None), ("c", True))) == {"b", "c"}
    assert possible(after(("a", None))) == {"a", "b", "c"}, "nobody knows what it was before"


def test_of_two_at_a_time_nobody_knows_the_last() -> None:
    kept = after(("c", True))
    kept.begin()
    kept.begin()
    kept.end("a", True)
    kept.end("b", True)
    assert possible(kept) == {"a", "b", "c"}
    kept.begin()
    kept.end("b", True)
    assert possible(kept) == {"b"}


def test_a_volume_that_could_not_grow_is_as_large_as_it_was() -> None:
    size = {"size": after(("2", True))}
    assert list(unlike(size, {"size": "1", "status": "error_extending"})) == []
    assert list(unlike(size, {"size": "1", "status": "available"})) != []
    metadata = {"metadata k": after(("a", True))}
    assert list(unlike(metadata, {"metadata": {"k": "a"}})) == []
    assert list(unlike(metadata, {"metadata": {}})) != []
