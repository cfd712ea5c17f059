"""House rules that can be read off the source: sizes, names, and what no test and no module may do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from support.source import Function, arguments, below, depth, length, modules

BANNED_NAME = re.compile(r"manager|helper|utils?$|^_?handle_|^_?process_|^_?do_", re.IGNORECASE)
SLEEPS = {"asyncio.sleep", "time.sleep", "anyio.sleep", "trio.sleep"}

SLEEPS_WITH_A_REASON = {
    "src/pileus/engines/fences.py": "asks again for a lock that another process holds; no event tells of it",
    "src/pileus/engines/hypervisor/libvirt/plugging.py": "asks again, in a thread, whether a guest has let go of a device",
    "src/pileus/kernel/clock.py": "the one place where time is slept away",
    "src/pileus/kernel/db/postgres.py": "asks again whether a COMMIT came through; the database's time, not the cloud's",
    "src/pileus/services/cloud/faults/calls.py": "clients wait by the machine's clock for what is made slow for them",
    "tests/support/waiting.py": "the one place where tests look again",
    "src/pileus/kernel/metrics.py": "measures how late the event loop wakes it: the loop's own time",
}
"""Where a sleep is right, and why (`sleep(0)` is none). A test waits for an event, a port or a process, or moves the cloud's clock. A module
that no longer sleeps leaves the list."""

WIDE_EXCEPTS_WITH_A_REASON: dict[str, str] = {
    "src/pileus/agent/app.py": "the HTTP rim of an agent: whatever an engine raises is told to the control plane",
    "src/pileus/agent/report.py": "the reports of an agent: an engine that fails must not end those of the others",
    "src/pileus/kernel/operations/": "the worker: whatever a step raises is its failure, and is stored",
    "src/pileus/kernel/http/": "the HTTP rim: whatever a handler raises is a 500 without a word of it",
}

EVERYTHING = ("src", "tests", "bench", "conformance")

pytestmark = pytest.mark.xdist_group("source")


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """All the source as trees is hundreds of MB, which every fork of a later test would copy the page table of."""
    yield
    below.cache_clear()


def functions() -> Iterator[tuple[str, Function]]:
    """Each with its place."""
    return ((f"{module.name}:{f.lineno} {f.name}", f) for module in modules(*EVERYTHING) for f in module.functions())


def test_a_file_has_at_most_400_lines() -> None:
    lines = {module.name: len(module.text.splitlines()) for module in modules(*EVERYTHING)}
    assert not {name: count for name, count in lines.items() if count > 400}


def test_a_function_has_at_most_50_lines() -> None:
    assert not [f"{where}: {length(f)} lines" for where, f in functions() if length(f) > 50]


def test_a_function_takes_at_most_6_arguments() -> None:
    assert not [f"{where}: {arguments(f)} arguments" for where, f in functions() if arguments(f) > 6]


def test_blocks_are_nested_at_most_3_deep() -> None:
    assert not [f"{where}: {depth(f)} deep" for where, f in functions() if depth(f) > 3]


def test_names_say_what_a_thing_is() -> None:
    named = [
        (f"{module.name}:{node.lineno}", node.name)
        for module in modules(*EVERYTHING)
        for node in module.nodes
        if isinstance(node, ast.ClassDef | Function)
    ]
    files = [(module.name, module.path.stem) for module in modules(*EVERYTHING)]
    assert not [(where, name) for where, name in (*named, *files) if BANNED_NAME.search(name)]


def test_nothing_is_patched() -> None:
    """Tests talk to the system by HTTP or protocol; what must differ in a test is given to it, not swapped behind it."""
    patches = {"mock.patch", "patch", "patch.object", "mock.patch.object", "monkeypatch.setattr", "mocker.patch"}
    assert not called(patches, *EVERYTHING)


def test_nobody_sleeps() -> None:
    assert called(SLEEPS, "src", "tests").keys() == SLEEPS_WITH_A_REASON.keys()


def called(names: set[str], *directories: str) -> dict[str, list[int]]:
    """The modules that call something so named, with the lines."""
    found = {module.name: [line for what, line in module.calls if what in names] for module in modules(*directories)}
    return {name: lines for name, lines in found.items() if lines}


def test_everything_is_caught_only_at_the_rim() -> None:
    wide = [
        f"{module.name}:{node.lineno}"
        for module in modules("src")
        for node in module.nodes
        if isinstance(node, ast.ExceptHandler) and is_wide(node)
    ]
    assert not [where for where in wide if not where.startswith(tuple(WIDE_EXCEPTS_WITH_A_REASON))]


def is_wide(handler: ast.ExceptHandler) -> bool:
    """Whether it swallows whatever comes. To end by raising again what was caught is cleaning up."""
    last = handler.body[-1]
    reraises = isinstance(last, ast.Raise) and last.exc is None
    everything = handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}
    return everything and not reraises


def test_a_module_says_what_it_is_for() -> None:
    assert not [module.name for module in modules("src") if module.tree.body and not ast.get_docstring(module.tree)]


def test_a_todo_names_its_kind_and_its_issue() -> None:
    marked = [
        f"{module.name}: {line}"
        for module in modules(*EVERYTHING)
        for line in module.text.splitlines()
        if re.search(r"#.*\b(TO[D]O|FIX[M]E)\b", line)
    ]
    assert not [line for line in marked if not re.search(r"TO[D]O\((correctness|security|scale|tests)\): .*#\d+", line)]
