"""Where the screen's data come from and its changes go: the store, or a stand-in for it in tests."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from repdyn.settings.schema import StoreConfig
from tui.listing_cache import Listing, ListingCache, listing_key

if TYPE_CHECKING:
    from repdyn.display.preview import Preview
    from repdyn.records import Curve, LabelMaps, PlaneSet, RunRecord, RunSummary
    from repdyn.run_tags import TagChanges


class Source(Protocol):
    """What the screen reads and changes. A call may take long, so it is only made in a thread.

    All methods raise UserError for what the user can fix.
    """

    def experiments(self) -> list[str]:
        """Return the names of the existing experiments."""

    def of(self, experiment: str) -> Source:
        """Return the source of another experiment's runs; reads nothing yet."""

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        """Yield the runs, newest first, a page at a time; `matching` is a filter of MLflow's.

        The parents of sweeps are among them.
        """

    def listed(self, matching: str = "") -> Listing | None:
        """Return the runs as they were last listed, None if that is not known; reads no store."""

    def keep(self, listing: Listing, matching: str = "") -> None:
        """Remember a listing for the next start."""

    def summary(self, run: str) -> RunSummary:
        """Return one run as a list shows it; by id, name, unique prefix, or `last`."""

    def record(self, run: str) -> RunRecord:
        """Return one complete run."""

    def preview(self, run: str) -> Preview:
        """Return the outline of a run."""

    def verdicts(self, sweep: str) -> Mapping[str, str]:
        """Return the verdicts of a sweep's stored comparison, by the findings' names."""

    def planes(self, run: str) -> PlaneSet:
        """Return a run's planes."""

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        """Return a checkpoint's decision regions."""

    def curves(self, run: RunSummary, names: Sequence[str]) -> dict[str, Curve]:
        """Return metrics of a run that its record leaves unread."""

    def sizes(self, run: str) -> dict[str, int]:
        """Return the sizes in bytes of a run's artifacts, by path."""

    def artifact(self, run: str, path: str, most: int) -> bytes:
        """Return the first bytes of an artifact, at most so many."""

    def artifact_place(self, run: str, path: str) -> str:
        """Return where an artifact lies: its file, or its address in the store that has it."""

    def change_tags(self, run_id: str, changes: TagChanges) -> None:
        """Set and remove tags of a run."""

    def nested(self, run_id: str) -> int:
        """Return how many runs are nested in a run, and are deleted with it."""

    def delete(self, run_id: str) -> int:
        """Delete a run and those nested in it; return how many."""

    def restore(self, run_id: str) -> int:
        """Restore a deleted run and those nested in it; return how many."""

    def deleted(self) -> list[RunSummary]:
        """Return the experiment's deleted runs."""

    def address(self, run: str) -> str | None:
        """Return the address of a run, by id, in its server's UI; None if it is on no server."""

    def ui_command(self) -> str:
        """Return the command that serves MLflow's UI of the store."""


@contextmanager
def _importing(module: str) -> Iterator[None]:
    """Have a module that needs MLflow imported so that it costs little while the app runs.

    Skips pandas, which takes 50 MB and only serves MLflow's tables: MLflow works without it if it is
    not installed (mlflow-skinny); afterwards it can be imported as usual. Everything imported is then
    frozen for the garbage collector: modules are not garbage, and a pass over MLflow's 200,000
    objects blocks every thread, including the one that draws, for a tenth of a second.
    """
    if module in sys.modules:
        yield
        return
    pandas_is_hidden = "pandas" not in sys.modules
    if pandas_is_hidden:
        sys.modules["pandas"] = None  # type: ignore[assignment]
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if pandas_is_hidden:
            del sys.modules["pandas"]
        gc.freeze()
        if collecting:
            gc.enable()


class StoreSource:
    """Runs of an MLflow store. What reads them is imported on first use: mlflow takes seconds.

    Args:
        store: where the runs are.
        cache: of listings; without one, none is known and none is kept.
    """

    def __init__(self, store: StoreConfig, cache: ListingCache | None = None) -> None:
        self._store = store
        self._cache = cache or ListingCache()

    def experiments(self) -> list[str]:
        """Return the names of the store's experiments."""
        with _importing("repdyn.storage.search"):
            from repdyn.storage import search

        return search.list_experiments(self._store)

    def of(self, experiment: str) -> Source:
        """Return the same store with another experiment."""
        return StoreSource(replace(self._store, experiment=experiment), self._cache)

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        """Yield the runs a page at a time."""
        with _importing("repdyn.storage.search"):
            from repdyn.storage import search

        return search.pages(self._store, matching=matching, sweeps=True)

    def listed(self, matching: str = "") -> Listing | None:
        """Return the runs as they were last listed."""
        return self._cache.load(listing_key(self._store, matching))

    def keep(self, listing: Listing, matching: str = "") -> None:
        """Remember a listing."""
        self._cache.save(listing_key(self._store, matching), listing)

    def summary(self, run: str) -> RunSummary:
        """Return one run as a list shows it."""
        with _importing("repdyn.storage.search"):
            from repdyn.storage import search

        return search.find_run(self._store, run)

    def record(self, run: str) -> RunRecord:
        """Return one complete run."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.load_run(self._store, run, most=reader.MOST_CURVES)

    def preview(self, run: str) -> Preview:
        """Return the outline of a run."""
        with _importing("repdyn.storage.reader"):
            from repdyn.display.preview import drawn_metrics, preview_of
            from repdyn.storage import reader

        return preview_of(reader.load_outline(self._store, run, drawn_metrics))

    def verdicts(self, sweep: str) -> Mapping[str, str]:
        """Return the verdicts of a sweep's stored comparison."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.load_verdicts(self._store, sweep)

    def planes(self, run: str) -> PlaneSet:
        """Return a run's planes."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.load_planes(self._store, run)

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        """Return a checkpoint's decision regions."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.load_label_maps(self._store, run, epoch)

    def sizes(self, run: str) -> dict[str, int]:
        """Return the sizes of a run's artifacts."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.artifact_sizes(self._store, run)

    def curves(self, run: RunSummary, names: Sequence[str]) -> dict[str, Curve]:
        """Return metrics of a run."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.load_curves(self._store, run, names)

    def artifact(self, run: str, path: str, most: int) -> bytes:
        """Return the first bytes of an artifact."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.artifact_head(self._store, run, path, most)

    def artifact_place(self, run: str, path: str) -> str:
        """Return where an artifact lies."""
        with _importing("repdyn.storage.reader"):
            from repdyn.storage import reader

        return reader.artifact_place(self._store, run, path)

    def change_tags(self, run_id: str, changes: TagChanges) -> None:
        """Set and remove tags of a run."""
        with _importing("repdyn.runs.edit"):
            from repdyn.runs import edit

        edit.change_tags(self._store, run_id, changes)

    def nested(self, run_id: str) -> int:
        """Return how many runs are nested in a run."""
        with _importing("repdyn.runs.edit"):
            from repdyn.runs import edit

        return edit.nested_runs(self._store, run_id)

    def delete(self, run_id: str) -> int:
        """Delete a run and those nested in it."""
        with _importing("repdyn.runs.edit"):
            from repdyn.runs import edit

        return edit.delete(self._store, run_id)

    def restore(self, run_id: str) -> int:
        """Restore a deleted run and those nested in it."""
        with _importing("repdyn.runs.edit"):
            from repdyn.runs import edit

        return edit.restore(self._store, run_id)

    def deleted(self) -> list[RunSummary]:
        """Return the experiment's deleted runs."""
        with _importing("repdyn.runs.edit"):
            from repdyn.runs import edit

        return edit.deleted_runs(self._store)

    def address(self, run: str) -> str | None:
        """Return the address of a run in its server's UI."""
        with _importing("repdyn.storage.web"):
            from repdyn.storage import web

        return web.address(self._store, run)

    def ui_command(self) -> str:
        """Return the command that serves MLflow's UI of the store."""
        with _importing("repdyn.storage.web"):
            from repdyn.storage import web

        return web.ui_command(self._store)
