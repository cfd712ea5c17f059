"""The benchmark's verdicts: what is over its gate, and what could not be measured, is not in order."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.__main__ import Result, measured, verdicts
from bench.machine import MOST_OTHERS, Use
from bench.workloads import WORKLOADS, Figures
from support.source import ROOT

GATES = tomllib.loads((ROOT / "bench/gates.toml").read_text())["gate"]
THRICE = 3


def verdict(*starts: float, void: int = 0) -> dict[str, object]:
    """Of the time to start, after runs with these seconds."""
    result = Result(runs=[{"start_s": seconds} for seconds in starts], void=void)
    [row] = [row for row in verdicts({"start": result}, THRICE) if row["gate"] == "start_s"]
    return row


def test_the_bar_of_the_issue_is_the_gate() -> None:
    wanted = {"start_s": 2.0, "idle_pss_mb": 120, "idle_cpu_percent": 1.0, "loop_stall_ms": 20.0}
    wanted |= {"get_one_row_ms": 0.6, "start_operation_ms": 2.0, "operation_ms": 18.0, "kill_ms": 40.0}
    assert {name: gate["most"] for name, gate in GATES.items() if name in wanted} == wanted
    assert {gate["workload"] for gate in GATES.values()} <= WORKLOADS.keys()


def test_the_median_decides() -> None:
    assert verdict(0.5, 9.0, 1.9)["ok"] is True
    assert verdict(2.1, 0.5, 2.1)["ok"] is False
    assert verdict(2.0, 2.0, 2.0)["ok"] is True


def test_too_few_valid_runs_are_no_verdict() -> None:
    assert verdict(0.5, 0.5, void=4)["ok"] is None
    assert verdict(void=4)["ok"] is None


@pytest.mark.parametrize(("others", "valid", "void"), [(MOST_OTHERS, 3, 0), (MOST_OTHERS + 0.01, 0, 4)])
async def test_a_run_beside_which_others_worked_does_not_count(others: float, valid: int, void: int) -> None:
    async def run(_: Path, __: float) -> tuple[Figures, Use]:
        return {"start_s": 1.0}, Use(others_cores=others)

    (ROOT / "bench/results").mkdir(exist_ok=True)
    result = await measured("start", run, THRICE, 0.0)
    assert (len(result.runs), result.void) == (valid, void)
    assert MOST_OTHERS == 0.4
