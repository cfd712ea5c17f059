"""The source of Pileus, parsed: what the house rules look at."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True)
class Module:
    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The path from the root of the checkout, as the lists in these tests spell it."""
        return self.path.relative_to(ROOT).as_posix()

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def calls(self) -> list[tuple[str, int]]:
        """Every call by name: what is called, as written (`asyncio.sleep`), and the line. `sleep(0)` only yields, and is left out."""
        called = [node for node in self.nodes if isinstance(node, ast.Call) and not yields(node)]
        return [
            (ast.unparse(node.func), node.lineno) for node in called if isinstance(node.func, ast.Name | ast.Attribute)
        ]


def yields(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def modules(*directories: str) -> list[Module]:
    """Every Python file below these directories of the checkout. Migrations are written once and not looked at."""
    return [module for directory in directories for module in below(directory)]


@cache
def below(directory: str) -> tuple[Module, ...]:
    paths = sorted(path for path in (ROOT / directory).rglob("*.py") if "migrations" not in path.parts)
    gc.disable()  # a tree is no garbage: to look for some in it would take nine tenths of the time
    try:
        return tuple(Module(path, text := path.read_text(), ast.parse(text, str(path))) for path in paths)
    finally:
        gc.enable()


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    doc = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    of_doc = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
    return (function.end_lineno or 0) - function.lineno + 1 - of_doc


def arguments(function: Function) -> int:
    """How many arguments a caller sees."""
    a = function.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def depth(node: ast.AST) -> int:
    """How many blocks stand inside one another. `elif` is one with its `if`; what pytest expects to be raised is none."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        elif_of = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        counts = isinstance(child, BLOCKS) and not elif_of and not is_expectation(child)
        deepest = max(deepest, depth(child) + counts)
    return deepest


def is_expectation(node: ast.AST) -> bool:
    """`with pytest.raises(...)`: an assertion that is spelled as a block."""
    return isinstance(node, ast.With) and ast.unparse(node.items[0]).startswith("pytest.raises(")
