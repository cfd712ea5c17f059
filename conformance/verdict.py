"""What came of a run: per test, and whether it is good enough."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.tempest import bare

OF_A_CLASS = re.compile(r"(setUpClass|tearDownClass) \((.+)\)")
OUTCOMES = ("passed", "failed", "skipped", "cut", "not run")


@dataclass(frozen=True)
class Result:
    """One test: how it ended (see OUTCOMES), why if it has not passed, and how long it took."""

    test: str
    outcome: str
    why: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Every test that was wanted, and what is not in order: nothing, if the cloud conforms."""

    results: list[Result]
    problems: list[str]


def judged(wanted: Iterable[str], said: Iterable[Mapping[str, Any]], exempt: Collection[str]) -> Verdict:
    """What the tests said (see collect.py), held against what was wanted of them."""
    tests, classes = divided(said)
    results = [tests.get(test) or unsaid(test, classes) for test in wanted]
    problems = [f"{each.test}: {each.outcome}: {each.why}" for each in results if wrong(each, exempt)]
    problems += [f"{each.test}: passes, but is listed as an exception" for each in results if idle(each, exempt)]
    torn = {
        name: each for (what, name), each in classes.items() if what == "tearDownClass" and each.outcome == "failed"
    }
    return Verdict(
        results, problems + [f"{each.test}: {each.why}" for name, each in torn.items() if name not in exempt]
    )


def wrong(result: Result, exempt: Collection[str]) -> bool:
    return result.outcome != "passed" and result.test not in exempt


def idle(result: Result, exempt: Collection[str]) -> bool:
    """An exception that is none: the list shall not grow old."""
    return result.outcome == "passed" and result.test in exempt


def divided(said: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Result], dict[tuple[str, str], Result]]:
    """What tests said, by name, and what their classes said, by what was done with which."""
    tests: dict[str, Result] = {}
    classes: dict[tuple[str, str], Result] = {}
    for each in said:
        result = Result(bare(each["test"]), each["outcome"], each["why"], each["seconds"])
        if found := OF_A_CLASS.fullmatch(each["test"]):
            classes[found[1], found[2]] = result
        else:
            tests[result.test] = result
    return tests, classes


def unsaid(test: str, classes: Mapping[tuple[str, str], Result]) -> Result:
    """A test that said nothing: its class was skipped or failed before it, or it was not run."""
    of_class = classes.get(("setUpClass", test.rpartition(".")[0]))
    if of_class is None:
        return Result(test, "not run")
    return Result(test, of_class.outcome, f"setUpClass: {of_class.why}")


def table(sets: Mapping[str, Collection[str]], results: Iterable[Result]) -> str:
    """Markdown: how many tests of each set ended how."""
    outcomes = {each.test: each.outcome for each in results}
    lines = [f"| set | tests | {' | '.join(OUTCOMES)} |", "| --- |" + " ---: |" * (1 + len(OUTCOMES))]
    for name, tests in sets.items():
        ended = Counter(outcomes[test] for test in tests)
        lines.append(f"| {name} | {len(tests)} | {' | '.join(str(ended[outcome]) for outcome in OUTCOMES)} |")
    return "\n".join(lines)
