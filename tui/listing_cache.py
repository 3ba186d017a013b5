"""The runs as they were last listed, kept on this machine.

They are shown until MLflow, whose import takes seconds, has read the store. A file for each store, experiment and filter. It holds what the list shows, and nothing secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from repdyn.errors import UserError
from repdyn.own_runs import PARENT_TAG, TAGS
from repdyn.redaction import redact, without_secrets
from repdyn.regular_file import read_regular
from repdyn.run_summary import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.files import PRIVATE, write_whole
from tui.screens.metric_columns import listed_metrics
from tui.screens.run_columns import FIT_BREAK, SYNCHRONY
from tui.session import place_of

FORMAT = 1
"""Of the files; another one is ignored."""

MOST_BYTES = 2**25
MOST_RUNS = 1000
MOST_FILES = 50
LONGEST = 500
"""Bounds of a file, of the newest runs that it holds, of the files, and of a value in them."""

LISTED_METRICS = ("train/acc", "test/acc", "phase/", FIT_BREAK, SYNCHRONY)
"""Beginnings of the metrics that are kept: those that the list has columns for, of many."""


@dataclass(frozen=True)
class Listing:
    """Runs, as they were at some time.

    Attributes:
        runs: the newest ones, newest first, the parents of sweeps among them.
        read_at: when, in seconds since 1970.
        total: how many runs there were without the parents of sweeps.
    """

    runs: Sequence[RunSummary]
    read_at: float
    total: int


class ListingCache:
    """The files; what cannot be read or written is as if there were none.

    Args:
        folder: of the files; None to keep nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def load(self, key: str) -> Listing | None:
        """Return the last listing; None if there is none, or none that can be read."""
        if self._folder is None:
            return None
        try:
            kept = json.loads(read_regular(self._folder / f"{key}.json", MOST_BYTES))
            if kept["format"] != FORMAT or kept["fields"] != _FIELDS:
                return None
            runs = [_run(*values) for values in kept["runs"]]
            read_at, total = kept["read_at"], kept["total"]
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        known = type(read_at) is float and type(total) is int
        return Listing(runs, read_at, total) if known else None

    def save(self, key: str, listing: Listing) -> None:
        """Replace the last listing; other processes see the old one or the new one.

        A cache that cannot be written costs time alone, so nobody is told.
        """
        if self._folder is None:
            return
        content = {
            "format": FORMAT,
            "fields": _FIELDS,
            "read_at": listing.read_at,
            "total": listing.total,
            "runs": list(_rows(listing.runs[:MOST_RUNS])),
        }
        with suppress(OSError, UserError):
            text = json.dumps(content, separators=(",", ":"))
            write_whole(self._folder / f"{key}.json", text.encode(), PRIVATE)
            self._prune()

    def _prune(self) -> None:
        """Remove the files that were not written for longest, and what killed processes left."""
        assert self._folder is not None  # noqa: S101 - as save has seen
        files = sorted(self._folder.iterdir(), key=lambda file: -file.lstat().st_mtime)
        for file in files[MOST_FILES:]:
            file.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the folder of the files."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "repdyn" / "lists"


def listing_key(store: StoreConfig, matching: str) -> str:
    """Return a digest that identifies a listing, without asking MLflow.

    Args:
        store: its address goes in without passwords, which a digest would not hide.
        matching: the filter of MLflow's.
    """
    uri, folder = place_of(store)
    experiment = store.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or ""
    text = "\n".join((without_secrets(uri), folder, experiment, matching))
    return sha256(text.encode()).hexdigest()[:32]


# --- a run as a list of its fields

_FIELDS = [one.name for one in fields(RunSummary)]


def _rows(runs: Sequence[RunSummary]) -> Iterable[list[Any]]:
    clean = cache(redact)  # runs have most of their values in common
    listed = (*LISTED_METRICS, *listed_metrics(runs))
    for run in runs:
        tags = {k: v for k, v in run.tags.items() if k.startswith(TAGS) or k == PARENT_TAG}
        kept = {
            "params": _short(run.params, clean),
            "tags": _short(tags, clean),
            "metrics": {
                name: float(value) for name, value in run.metrics.items() if name.startswith(listed)
            },
        }
        yield [kept.get(name, getattr(run, name)) for name in _FIELDS]


def _short(texts: Mapping[str, str], clean: Any) -> dict[str, str]:
    return {name: clean(text) for name, text in texts.items() if len(text) <= LONGEST}


def _run(*values: Any) -> RunSummary:
    """Return a run.

    Raises:
        TypeError: it has other fields, or values of other types.
    """
    run = RunSummary(*values)
    texts = (run.run_id, run.name, run.experiment, run.status)
    numbers = (run.started, run.ended or 0, run.last_step or 0)
    known = (
        _all_are(str, texts)
        and _all_are(int, numbers)
        and _all_are(str, run.params.values())
        and _all_are(str, run.tags.values())
        and _all_are(float, run.metrics.values())
    )
    if not known:
        raise TypeError
    return run


def _all_are(kind: type, values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {kind}
