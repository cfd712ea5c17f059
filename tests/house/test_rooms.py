"""Who may import whom, beyond what .importlinter says."""

from __future__ import annotations

import subprocess
import sys

import grimp
import pytest

GRAPH = grimp.build_graph("pileus")


def noun_of(module: str) -> str | None:
    """`pileus.services.compute.servers` for a module inside that noun; None outside of nouns."""
    parts = module.split(".")
    return ".".join(parts[:4]) if parts[:2] == ["pileus", "services"] and len(parts) > 4 else None


def test_a_noun_is_entered_by_its_service_module() -> None:
    """Tables, routes and steps of a noun are its own; only the composition root may name them, to register them."""
    broken = []
    for module in GRAPH.modules:
        noun = noun_of(module)
        if noun is None or module.startswith(f"{noun}.service"):
            continue
        for importer in GRAPH.find_modules_that_directly_import(module):
            if noun_of(importer) != noun and not registers(importer):
                broken.append(f"{importer} imports {module}")
    assert not broken


def registers(importer: str) -> bool:
    """The composition root, and the packages' `__init__` of a service and of a noun, where routes are gathered."""
    return importer in ("pileus.beginnings", "pileus.world") or (
        importer.startswith("pileus.services.") and importer.count(".") <= 3
    )


@pytest.mark.parametrize("below", ["pileus.services", "pileus.engines", "pileus.world", "pileus.cli", "pileus.agent"])
def test_the_kernel_has_never_heard_of_what_stands_on_it(below: str) -> None:
    assert not [
        m for m in GRAPH.modules if m.startswith(below) and GRAPH.chain_exists("pileus.kernel", m, as_packages=True)
    ]


@pytest.mark.parametrize("room", ["pileus.services", "pileus.world", "pileus.kernel.db"])
def test_an_agent_knows_no_service_and_no_database(room: str) -> None:
    inside = [m for m in GRAPH.modules if m == room or m.startswith(f"{room}.")]
    agents = [m for m in GRAPH.modules if m.startswith("pileus.agent")]
    assert not [(a, m) for a in agents for m in inside if GRAPH.direct_import_exists(importer=a, imported=m)]


def test_an_agent_is_small_and_knows_no_database() -> None:
    """Each of a hundred hosts would pay for it."""
    said = "import sys, pileus.agent.main, pileus.agent.networking; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "asyncpg", "pileus.kernel.db", "pileus.kernel.context"} & set(done.stdout.split())
