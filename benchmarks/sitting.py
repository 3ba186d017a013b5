"""All benchmarks in one sitting, unattended: each in a process of its own, several times, kept as JSON.

What a benchmark found is kept as soon as it ends, and one that fails or takes too long is kept as a
failure, so that a sitting can be stopped at any time and goes on where it was.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from benchmarks.result import machine
from repdyn.storage.files import write_whole

ROOT = Path(__file__).parents[1]

DEPENDS_ON = ("machine", "commit", "quick")
"""What a sitting has in common."""


class SittingError(Exception):
    """A sitting cannot begin or go on."""


@dataclass(frozen=True)
class Plan:
    """What a sitting runs.

    Attributes:
        repeats: how often each benchmark is run, by name.
        minutes: most that a run may take.
        quick: whether they only show that they run.
    """

    repeats: Mapping[str, int]
    minutes: float
    quick: bool


def sit(plan: Plan, path: Path, console: Console) -> None:
    """Run what the file lacks, all benchmarks once before any is run again; keep each in the file.

    What failed is run again.

    Raises:
        SittingError: the file is of another commit or machine, or is no sitting.
    """
    about = {"machine": machine(), "commit": commit(), "quick": plan.quick}
    kept = opened(path, about)
    for repetition in range(max(plan.repeats.values())):
        for name in (name for name, repeats in plan.repeats.items() if repetition < repeats):
            runs = kept["benchmarks"].setdefault(name, {"runs": []})["runs"]
            if repetition < len(runs) and "failed" not in runs[repetition]:
                continue
            console.print(f"{name}, {repetition + 1} of {plan.repeats[name]}", highlight=False)
            start = monotonic()
            found = _one(name, plan)
            run = {"seconds": round(monotonic() - start, 1)} | _figures_of(found, name)
            runs[repetition : repetition + 1] = [run]
            if "failed" not in run:
                kept["benchmarks"][name] |= {key: found[key] for key in ("title", "how")}
            else:
                console.print(f"  failed: {run['failed']}", style="red", markup=False)
            write_whole(path, json.dumps(kept, indent=1, ensure_ascii=False).encode())


def opened(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Return what a sitting has found so far.

    Raises:
        SittingError: it is of another commit or machine, or the file is no sitting.
    """
    if not path.exists():
        return about | {"benchmarks": {}}
    kept = load(path)
    for what in DEPENDS_ON:
        if kept[what] != about[what]:
            raise SittingError(f"{path} is of another {what}; give the name of a new file")
    return kept


def load(path: Path) -> dict[str, Any]:
    """Read a sitting.

    Raises:
        SittingError: the file is no sitting, or cannot be read.
    """
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        missing = {*DEPENDS_ON, "benchmarks"} - set(kept)
    except (OSError, ValueError, TypeError) as error:
        raise SittingError(f"{path} cannot be read as a sitting: {error}") from None
    if missing:
        raise SittingError(f"{path} is no sitting: it lacks {', '.join(sorted(missing))}")
    return kept


def commit() -> str:
    """Return the commit that is checked out, marked if there are other changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--abbrev=10", "--dirty", "--exclude", "*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _one(name: str, plan: Plan) -> dict[str, Any]:
    """Run a benchmark in a process of its own and return its part of the JSON, or why it failed."""
    command = [sys.executable, "-m", "benchmarks", name, "--json", *["--quick"] * plan.quick]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            out, said = child.communicate(timeout=60 * plan.minutes)
        except subprocess.TimeoutExpired:
            return {"failed": f"took more than {plan.minutes:g} minutes"}
        finally:
            if child.poll() is None:  # with all that it has started
                os.killpg(child.pid, signal.SIGKILL)
    if child.returncode != 0:
        return {"failed": (said.strip() or f"exit code {child.returncode}").splitlines()[-1]}
    found: dict[str, Any] = json.loads(out)["benchmarks"][name]
    return found


def _figures_of(found: dict[str, Any], name: str) -> dict[str, Any]:
    if "failed" in found:
        return {"failed": found["failed"]}
    if not found["figures"]:
        return {"failed": f"{name} gave no figure"}
    return {"figures": found["figures"]}


@dataclass(frozen=True)
class Summary:
    """A figure over the repetitions of a sitting.

    Attributes:
        name, unit, aim, note: as of a Figure.
        values: those that are known.
        reached: the share of repetitions that reach the aim; None without one.
    """

    name: str
    unit: str
    aim: str
    note: str
    values: tuple[float, ...]
    reached: float | None


def summaries(benchmark: dict[str, Any]) -> Iterator[Summary]:
    """Yield the figures of a benchmark, in its order."""
    runs = [run["figures"] for run in benchmark["runs"] if "figures" in run]
    named: dict[str, list[dict[str, Any]]] = {}
    for figures in runs:
        for figure in figures:
            named.setdefault(figure["name"], []).append(figure)
    for name, each in named.items():
        told = [figure["reached"] for figure in each if figure["reached"] is not None]
        yield Summary(
            name=name,
            unit=each[0]["unit"],
            aim=each[0]["aim"] or "",
            note=each[-1]["note"] or "",
            values=tuple(f["value"] for f in each if f["value"] is not None),
            reached=sum(told) / len(told) if told else None,
        )


def failures(benchmark: dict[str, Any]) -> list[str]:
    """Return why repetitions failed, each reason once."""
    return list(dict.fromkeys(run["failed"] for run in benchmark["runs"] if "failed" in run))
