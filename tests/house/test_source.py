"""House rules that can be read off the source: sizes, names, and what no test and no module may do."""

from __future__ import annotations

import ast
import re

import pytest

from support.source import Function, Module, arguments, depth, length, modules

BANNED_NAME = re.compile(r"manager|helper|utils?$|^_?handle_|^_?process_|^_?do_", re.IGNORECASE)
SLEEPS = {"asyncio.sleep", "time.sleep", "anyio.sleep", "trio.sleep"}

SLEEPS_WITH_A_REASON = {
    "src/pileus/engines/fences.py": "asks again for a lock that another process holds; no event tells of it",
    "src/pileus/engines/hypervisor/libvirt/plugging.py": "asks again, in a thread, whether a guest has let go of a device",
    "src/pileus/kernel/clock.py": "the one place where time is slept away",
    "src/pileus/kernel/db/postgres.py": "asks again whether a COMMIT came through; the database's time, not the cloud's",
    "tests/support/waiting.py": "the one place where tests look again",
    "src/pileus/kernel/metrics.py": "measures how late the event loop wakes it: the loop's own time",
}
"""Where a sleep is right, and why (`sleep(0)` is none). A test waits for an event, a port or a process, or moves the cloud's clock."""

WIDE_EXCEPTS_WITH_A_REASON: dict[str, str] = {
    "src/pileus/agent/app.py": "the HTTP rim of an agent: whatever an engine raises is told to the control plane",
    "src/pileus/kernel/operations/": "the worker: whatever a step raises is its failure, and is stored",
    "src/pileus/kernel/http/": "the HTTP rim: whatever a handler raises is a 500 without a word of it",
}

everywhere = pytest.mark.parametrize("module", modules("src", "tests", "bench", "conformance"), ids=lambda m: m.name)
in_src = pytest.mark.parametrize("module", modules("src"), ids=lambda m: m.name)


def functions(module: Module) -> list[tuple[str, Function]]:
    return [(f"{module.name}:{f.lineno} {f.name}", f) for f in module.functions()]


@everywhere
def test_a_file_has_at_most_400_lines(module: Module) -> None:
    assert len(module.text.splitlines()) <= 400


@everywhere
def test_a_function_has_at_most_50_lines(module: Module) -> None:
    assert not [f"{where}: {length(f)} lines" for where, f in functions(module) if length(f) > 50]


@everywhere
def test_a_function_takes_at_most_6_arguments(module: Module) -> None:
    assert not [f"{where}: {arguments(f)} arguments" for where, f in functions(module) if arguments(f) > 6]


@everywhere
def test_blocks_are_nested_at_most_3_deep(module: Module) -> None:
    assert not [f"{where}: {depth(f)} deep" for where, f in functions(module) if depth(f) > 3]


@everywhere
def test_names_say_what_a_thing_is(module: Module) -> None:
    named = [n for n in ast.walk(module.tree) if isinstance(n, ast.ClassDef | Function)]
    found = [f"{module.name}:{n.lineno} {n.name}" for n in named if BANNED_NAME.search(n.name)]
    assert not found
    assert not BANNED_NAME.search(module.path.stem)


@everywhere
def test_nothing_is_patched(module: Module) -> None:
    """Tests talk to the system by HTTP or protocol; what must differ in a test is given to it, not swapped behind it."""
    patches = {"mock.patch", "patch", "patch.object", "mock.patch.object", "monkeypatch.setattr", "mocker.patch"}
    assert not [f"{module.name}:{line} {what}" for what, line in module.calls() if what in patches]


@pytest.mark.parametrize("module", modules("src", "tests"), ids=lambda m: m.name)
def test_nobody_sleeps(module: Module) -> None:
    slept = [f"{module.name}:{line} {what}" for what, line in module.calls() if what in SLEEPS]
    assert not slept or module.name in SLEEPS_WITH_A_REASON


@in_src
def test_everything_is_caught_only_at_the_rim(module: Module) -> None:
    handlers = [n for n in ast.walk(module.tree) if isinstance(n, ast.ExceptHandler)]
    wide = [
        f"{module.name}:{h.lineno}"
        for h in handlers
        if (h.type is None or ast.unparse(h.type) in {"Exception", "BaseException"}) and not reraises(h)
    ]
    assert not wide or module.name.startswith(tuple(WIDE_EXCEPTS_WITH_A_REASON))


def reraises(handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends by raising again what it caught: cleaning up is not swallowing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@in_src
def test_a_module_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree) or not module.tree.body


@everywhere
def test_a_todo_names_its_kind_and_its_issue(module: Module) -> None:
    marks = [line for line in module.text.splitlines() if re.search(r"#.*\b(TO[D]O|FIX[M]E)\b", line)]
    assert not [m for m in marks if not re.search(r"TO[D]O\((correctness|security|scale|tests)\): .*#\d+", m)]


def test_exceptions_are_still_needed() -> None:
    """A module that no longer sleeps leaves the list."""
    by_name = {m.name: m for m in modules("src", "tests", "bench")}
    idle = [n for n in SLEEPS_WITH_A_REASON if n not in by_name or not SLEEPS & {w for w, _ in by_name[n].calls()}]
    assert not idle
