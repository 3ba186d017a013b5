"""The recorded runs, with the interface of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from repdyn.errors import UserError

if TYPE_CHECKING:
    from repdyn.display.preview import Preview
    from repdyn.records import Curve, LabelMaps, PlaneSet, RunRecord, RunSummary
    from repdyn.run_tags import TagChanges
    from repdyn.storage.bundle import Bundle
    from tui.listing_cache import Listing

RUNS = "runs.zip"
FIXED = "the demo's runs cannot be changed"


def bundle() -> Bundle:
    """Return the recorded runs."""
    from repdyn.storage.bundle import Bundle

    return Bundle(files("tui.demo").joinpath(RUNS).read_bytes())


class DemoSource:
    """Runs on digits: ResNet-18 and ViT, SGD and Adam; `make.py` recorded them."""

    @cached_property
    def _bundle(self) -> Bundle:
        return bundle()

    def experiments(self) -> list[str]:
        """Return the one experiment."""
        return sorted({summary.experiment for summary in self._bundle.summaries})

    def of(self, experiment: str) -> DemoSource:
        """Return the same runs: there is only one experiment."""
        del experiment
        return self

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        """Yield the runs."""
        if matching:
            raise UserError("the demo knows no filters of MLflow's; type plain words")
        yield self._bundle.summaries

    def listed(self, matching: str = "") -> None:
        """Return nothing: the runs are read at once."""

    def keep(self, listing: Listing, matching: str = "") -> None:
        """Keep nothing."""

    def summary(self, run: str) -> RunSummary:
        """Return one run as a list shows it."""
        found = [s for s in self._bundle.summaries if run in ("last", s.name, s.run_id)]
        if not found:
            raise UserError(f"{run}: the demo has no such run")
        return found[0]

    def record(self, run: str) -> RunRecord:
        """Return one complete run."""
        return self._bundle.record(self.summary(run).run_id)

    def preview(self, run: str) -> Preview:
        """Return the outline of a run."""
        from repdyn.display.preview import preview_of

        return preview_of(self.record(run))

    def verdicts(self, sweep: str) -> Mapping[str, str]:
        """Return nothing: no sweep was recorded."""
        del sweep
        return {}

    def planes(self, run: str) -> PlaneSet:
        """Return a run's planes."""
        return self._bundle.planes(self.summary(run).run_id)

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        """Return a checkpoint's decision regions."""
        return self._bundle.label_maps(self.summary(run).run_id, epoch)

    def sizes(self, run: str) -> dict[str, int]:
        """Return the sizes of a run's packed files."""
        return self._bundle.sizes(self.summary(run).run_id)

    def curves(self, run: RunSummary, names: Sequence[str]) -> dict[str, Curve]:
        """Return metrics of a run; the records hold all."""
        record = self._bundle.record(run.run_id)
        return {name: record.curves[name] for name in names}

    def artifact(self, run: str, path: str, most: int) -> bytes:
        """Return the first bytes of a packed file."""
        return self._bundle.content(self.summary(run).run_id, path)[:most]

    def artifact_place(self, run: str, path: str) -> str:
        """Return the packed file's name in the file of the demo."""
        return f"{files('tui.demo').joinpath(RUNS)}/{self.summary(run).run_id}/{path}"

    def change_tags(self, run_id: str, changes: TagChanges) -> None:
        """Refuse: the runs are a file of the package."""
        del run_id, changes
        raise UserError(FIXED)

    def nested(self, run_id: str) -> int:
        """Refuse."""
        del run_id
        raise UserError(FIXED)

    def delete(self, run_id: str) -> int:
        """Refuse."""
        del run_id
        raise UserError(FIXED)

    def restore(self, run_id: str) -> int:
        """Refuse."""
        del run_id
        raise UserError(FIXED)

    def deleted(self) -> list[RunSummary]:
        """Return none."""
        return []

    def address(self, run: str) -> None:
        """Return nothing: the runs are on no server."""

    def ui_command(self) -> str:
        """Refuse: the runs are in no store.

        Raises:
            UserError: always.
        """
        raise UserError("the demo's runs are in no MLflow store")
