"""The previews that have been read, and which is read next: never more than one at a time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from textual.dom import DOMNode

from tui.reader_thread import ReaderThread
from tui.screens.run_groups import is_sweep
from tui.source import Source

if TYPE_CHECKING:
    from repdyn.display.preview import Preview
    from repdyn.records import RunSummary

MOST_KEPT = 64
"""Previews; a fingerprint and three numbers are kept of the others."""

QUICK_SECONDS, SLOW_IN_A_ROW = 0.25, 2
"""So many previews in a row that take longer to read, as from a far server, and those of the other
runs in view are not read any more until one is quick."""

PHASE = "phase/"
"""Prefix of the metrics of the boundaries."""

LAST_CHECKPOINT = "repdyn.last_checkpoint"


@dataclass(frozen=True)
class Facts:
    """What the list shows of a run that its preview tells: as its own screen has it.

    Attributes:
        state: of the run when it was read; they are read again in another one.
        fingerprint: see display/preview.py.
        last: the last step.
        boundaries: the steps of the phase boundaries, by name; None if they cannot be read.
    """

    state: tuple[str, str]
    fingerprint: tuple[float, ...]
    last: int | None
    boundaries: Mapping[str, int] | None

    def told(self, run: RunSummary) -> RunSummary:
        """Return a run with these boundaries: MLflow has none while it trains or if it was stopped."""
        if self.boundaries is None:
            return run
        found = {f"{PHASE}{name}": float(epoch) for name, epoch in self.boundaries.items()}
        others = {n: value for n, value in run.metrics.items() if not n.startswith(PHASE)}
        last = max((at for at in (run.last_step, self.last) if at is not None), default=None)
        return replace(run, metrics=others | found, last_step=last)


class PreviewCache:
    """Reads previews in the reader's thread and keeps the last ones.

    Args:
        source: of the runs.
        desk: the reader's thread.
        asker: if it is gone when something arrives, nothing happens.
        arrived: called with the id of the run that something is newly known of.
    """

    def __init__(
        self, source: Source, desk: ReaderThread, asker: DOMNode, arrived: Callable[[str], None]
    ) -> None:
        self._source, self._desk, self._asker, self._arrived = source, desk, asker, arrived
        self._kept: OrderedDict[str, tuple[RunSummary, Preview | None]] = OrderedDict()
        self._reading = False
        self._slow = -1  # the first also imports what reads
        self._wanted: Sequence[RunSummary] = ()
        self._pointed: RunSummary | None = None
        self.facts: dict[str, Facts] = {}
        self.verdicts: dict[str, Mapping[str, str]] = {}
        self.errors: dict[str, str] = {}

    @property
    def fingerprints(self) -> dict[str, tuple[float, ...]]:
        """The known fingerprints, by run id."""
        return {run: facts.fingerprint for run, facts in self.facts.items() if facts.fingerprint}

    def get(self, run: RunSummary) -> Preview | None:
        """Return the preview of a run, perhaps an earlier one; None if there is none yet."""
        return self._kept.get(run.run_id, (run, None))[1]

    def answered(self, run: RunSummary) -> bool:
        """Return whether a run has been read, perhaps in an earlier state, or why it cannot be."""
        return run.run_id in self._kept

    def want(self, first: RunSummary | None, others: Sequence[RunSummary]) -> None:
        """Read the preview of a run, then, if that is quick, what the list shows of others.

        What was wanted before and has not been read is forgotten.
        """
        self._pointed = first
        self._wanted = [run for run in (first,) if run is not None and not self._fresh(run)]
        if self._slow < SLOW_IN_A_ROW:
            rest = (run for run in others if run is not first and not is_sweep(run))
            self._wanted += [run for run in rest if not self._known(run)]
        self._next()

    def retry(self) -> None:
        """Forget what could not be read, as after a store was away."""
        for run_id in self.errors:
            self._kept.pop(run_id, None)
            self.facts.pop(run_id, None)
        self.errors.clear()

    def _fresh(self, run: RunSummary) -> bool:
        return run.run_id in self._kept and self._kept[run.run_id][0] == run

    def _known(self, run: RunSummary) -> bool:
        facts = self.facts.get(run.run_id)
        return self._fresh(run) or (facts is not None and facts.state == _state(run))

    def _next(self) -> None:
        if self._reading:
            return
        self._wanted = [run for run in self._wanted if not self._fresh(run)]  # was being read
        if not self._wanted:
            return
        run, *self._wanted = self._wanted
        self._reading = True
        read = self._source.verdicts if is_sweep(run) else self._source.preview
        self._desk.ask(
            self._asker,
            partial(_timed, read, run.run_id),
            partial(self._got, run),
            partial(self._failed, run),
        )

    def _got(self, run: RunSummary, answer: tuple[Preview | Mapping[str, str], float]) -> None:
        found, seconds = answer
        self._slow = self._slow + 1 if seconds > QUICK_SECONDS else 0
        if self._slow >= SLOW_IN_A_ROW:
            self._wanted = [one for one in self._wanted if one is self._pointed]
        self.errors.pop(run.run_id, None)
        if isinstance(found, Mapping):
            self.verdicts[run.run_id] = found
            self._keep(run, None)
        else:
            self.facts[run.run_id] = Facts(
                _state(run), found.fingerprint, found.last, found.phases.markers()
            )
            self._keep(run, found)

    def _failed(self, run: RunSummary, line: str) -> None:
        self.errors[run.run_id] = line
        self.facts[run.run_id] = Facts(_state(run), (), None, None)
        self._keep(run, self.get(run))

    def _keep(self, run: RunSummary, found: Preview | None) -> None:
        self._reading = False
        self._kept[run.run_id] = run, found
        self._kept.move_to_end(run.run_id)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        self._arrived(run.run_id)
        self._next()


def _state(run: RunSummary) -> tuple[str, str]:
    return run.status, run.tags.get(LAST_CHECKPOINT, "")


def _timed(
    read: Callable[[str], Preview | Mapping[str, str]], run: str
) -> tuple[Preview | Mapping[str, str], float]:
    start = time.monotonic()
    return read(run), time.monotonic() - start
