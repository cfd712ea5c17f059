"""Which tests a cloud is tried with, and which of them need not pass."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
EXCEPTIONS = HERE.parent / "docs/exceptions"
REASONS = {
    "external-idp": "needs an identity provider of somebody else",
    "test-bug": "the test itself is wrong",
    "later": "needs a verb that is not here yet",
    "guest": "logs in to a guest, which nobody can do with a simulated one",
}
TOLD = {"later", "guest"}  # and not counted: another day, or another cloud
MOST_EXCEPTIONS = 0.02  # of all tests of the sets that share a file of them


class Mistake(Exception):
    """A set or a file of exceptions says what it must not."""


class Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One set, as sets.toml describes it."""

    count: int
    matching: str = ""
    tests: tuple[str, ...] = ()
    exceptions: str = ""

    def of(self, known: Iterable[str]) -> list[str]:
        """Its tests among those that Tempest knows. Raises Mistake when some are missing."""
        if self.tests:
            found = sorted(set(self.tests) & set(known))
        else:
            found = sorted(test for test in known if re.match(self.matching, test))
        if len(found) < self.count:
            missing = sorted(set(self.tests) - set(found))[:3] or self.matching
            raise Mistake(f"{len(found)} tests instead of {self.count}; missing: {missing}")
        return found


@dataclass(frozen=True)
class Exemption:
    """A test that need not pass, why, and what shows or misses it; or a class that may leave something behind."""

    test: str
    reason: str
    about: str = ""

    @property
    def stays(self) -> bool:
        """Whether it is one of the few: a test that no other day or cloud will see pass."""
        return self.reason not in TOLD and self.test.rpartition(".")[2].startswith("test")


def all_sets() -> dict[str, Set]:
    """By name."""
    return msgspec.toml.decode((HERE / "sets.toml").read_bytes(), type=dict[str, Set])


def exemptions(name: str, folder: Path = EXCEPTIONS) -> dict[str, Exemption]:
    """Those of docs/exceptions/NAME.txt, by test. Raises Mistake.

    A line is `test reason-code`, with a link behind it for what is called a test's own fault, and the verb that is missing
    for what comes later.
    """
    found: dict[str, Exemption] = {}
    for number, line in enumerate((folder / f"{name}.txt").read_text().splitlines(), 1):
        words = line.partition("#")[0].split(maxsplit=2)
        if not words:
            continue
        where = f"{name}.txt, line {number}"
        if len(words) < 2 or words[1] not in REASONS:
            raise Mistake(f"{where}: a line is `test reason-code [about]`, reason-code one of {', '.join(REASONS)}")
        one = Exemption(*(word.strip() for word in words))
        if one.reason == "test-bug" and not one.about.startswith("https://"):
            raise Mistake(f"{where}: a test-bug needs the link that shows it")
        if one.reason == "later" and not one.about:
            raise Mistake(f"{where}: what comes later needs the verb that is missing")
        if one.test in found:
            raise Mistake(f"{where}: {one.test} is there twice")
        found[one.test] = one
    return found


def permitted(names: Iterable[str], folder: Path = EXCEPTIONS) -> dict[str, Exemption]:
    """The exemptions of these sets. Raises Mistake when they are too many."""
    sets = all_sets()
    found: dict[str, Exemption] = {}
    for file in sorted({sets[name].exceptions for name in names} - {""}):
        these = exemptions(file, folder)
        total = sum(each.count for each in sets.values() if each.exceptions == file)
        kept = [each for each in these.values() if each.stays]
        if len(kept) > MOST_EXCEPTIONS * total:
            raise Mistake(f"{file}.txt: {len(kept)} exceptions of {total} tests are more than {MOST_EXCEPTIONS:.0%}")
        found |= these
    return found
