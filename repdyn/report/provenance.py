"""What runs were trained with, in words, and in what they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from repdyn.display.wording import plain
from repdyn.records import RunSummary
from repdyn.storage.provenance import Provenance, starts_of

NOT_RECORDED = "not recorded"

SHORT_COMMIT = 12

MOST_NAMED = 4
"""Most runs that a sentence names."""


def last_start(run: RunSummary) -> Provenance | None:
    """Return what a run was last started with; None if it was not recorded."""
    found = starts_of(run)
    return found[-1] if found else None


def commit_words(one: Provenance) -> str:
    """Return a commit in words, `5f3a… with uncommitted changes`."""
    if not one.commit:
        return NOT_RECORDED
    return plain(one.commit)[:SHORT_COMMIT] + (" with uncommitted changes" if one.dirty else "")


def date_words(one: Provenance) -> str:
    """Return the date and time of a start, `2026-01-31 12:00 UTC`."""
    try:
        return f"{datetime.fromisoformat(one.started):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return NOT_RECORDED


def facts(run: RunSummary) -> list[tuple[str, str]]:
    """Return what a run was trained with as names and values, from each of its starts in order."""
    starts = starts_of(run)
    versions = list(dict.fromkeys(name for one in starts for name in one.versions))
    asked: list[tuple[str, Callable[[Provenance], str]]] = [
        ("started", date_words),
        ("command line", lambda one: plain(one.command) or NOT_RECORDED),
        ("git commit", commit_words),
        ("device", lambda one: plain(one.device) or NOT_RECORDED),
        *((plain(name), _version(name)) for name in versions),
    ]
    return [(name, "; then ".join(dict.fromkeys(map(of, starts)))) for name, of in asked if starts]


def _version(name: str) -> Callable[[Provenance], str]:
    return lambda one: plain(one.versions.get(name, NOT_RECORDED))


def differences(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """Return warnings, a sentence each: versions, commits and devices that differ between runs."""
    called = Counter(run.name for run in runs)
    recorded = {
        run.name if called[run.name] == 1 else f"{run.name} ({run.run_id[:8]})": starts_of(run)
        for run in runs
    }
    known = {name: starts for name, starts in recorded.items() if starts}
    return tuple(_warnings(known, len(recorded) - len(known)))


def _warnings(known: Mapping[str, Sequence[Provenance]], unknown: int) -> Iterator[str]:
    names = list(dict.fromkeys(n for starts in known.values() for s in starts for n in s.versions))
    asked: list[tuple[str, Callable[[Provenance], str]]] = [
        *((f"versions of {plain(name)}", _version(name)) for name in names),
        ("git commits", lambda one: plain(one.commit)[:SHORT_COMMIT]),
        ("devices", lambda one: plain(one.device)),
    ]
    for what, of in asked:
        values: dict[str, list[str]] = {}
        for name, starts in known.items():
            for value in dict.fromkeys(map(of, starts)):
                if value and value != NOT_RECORDED:
                    values.setdefault(value, []).append(plain(name))
        if len(values) > 1:
            said = "; ".join(f"{value} ({_named(of_runs)})" for value, of_runs in values.items())
            yield f"Not trained with the same {what}: {said}."
    changed = [plain(name) for name, starts in known.items() if any(s.dirty for s in starts)]
    if changed:
        yield f"Trained with uncommitted changes: {_named(changed)}."
    if unknown and known:
        yield f"What {unknown} of the runs were trained with was not recorded."


def _named(runs: Sequence[str]) -> str:
    return ", ".join(runs) if len(runs) <= MOST_NAMED else f"{len(runs)} runs"
