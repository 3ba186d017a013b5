"""Runs that answer at once, from memory, and what is seen of them on the screen."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from textual.pilot import Pilot
from textual.screen import Screen

from repdyn.display.preview import Preview, preview_of
from repdyn.errors import UserError
from repdyn.records import Curve, LabelMaps, PlaneSet, RunRecord, RunSummary
from repdyn.run_tags import NOTE, TagChanges
from tests.support import synthetic
from tui import reader_thread as live
from tui.app import RepdynApp
from tui.listing_cache import Listing
from tui.screens.compare import CompareScreen
from tui.screens.run import RunScreen
from tui.screens.view_state import ViewState
from tui.session import Session

LAYERS = ("stem", "block.0", "block.1", "logits")

Play = Callable[["Stage"], Awaitable[None]]


@cache
def made() -> tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]]:
    """A finished run of four layers and 200 epochs."""
    return synthetic.run(layers=LAYERS, count=24)


def record(number: int = 0, **changes: object) -> RunRecord:
    """The finished run under another id, name, ..."""
    names: dict[str, object] = {"run_id": f"{number:032x}", "name": f"run-{number}"}
    return replace(made()[0], summary=synthetic.summary(**(names | changes)))


def until_epoch(whole: RunRecord, epoch: int) -> RunRecord:
    """What there was of a run when its last checkpoint was that of an epoch; it trains."""
    found = whole.dynamics
    assert found is not None
    count = int((found.steps <= epoch).sum())
    cut = found.at_checkpoints(slice(count))
    last = str(found.steps[count - 1])
    run = replace(
        whole.summary, status="RUNNING", ended=None, tags={"repdyn.last_checkpoint": last}
    )
    return replace(whole, summary=run, dynamics=cut)


@dataclass
class FakeSource:
    """Answers from memory.

    Attributes:
        records: of the runs, newest first.
        error: raised by every question while it is set.
        answers: no question is answered until it is set.
        threads: names of the threads that asked.
        filters: that pages were asked for with.
        others: the sources of other experiments, by name.
        files: artifacts of all runs.
        unread: curves that the records leave unread.
        previewed: the runs whose previews were read.
        judged: the verdicts of every sweep.
        gone: the deleted runs.
        refusal: raised by every change while it is set.
        nested_in: how many runs are nested in each, by id.
        server: address of the server that has the runs, if one has.
        kept: the last listings, by filter.
    """

    records: list[RunRecord] = field(default_factory=lambda: [record()])
    error: Exception | None = None
    answers: threading.Event = field(default_factory=threading.Event)
    threads: set[str] = field(default_factory=set)
    filters: list[str] = field(default_factory=list)
    others: dict[str, FakeSource] = field(default_factory=dict)
    previewed: list[str] = field(default_factory=list)
    judged: dict[str, str] = field(default_factory=dict)
    gone: list[RunRecord] = field(default_factory=list)
    refusal: Exception | None = None
    nested_in: dict[str, int] = field(default_factory=dict)
    questions: int = 0
    page: int = 200
    files: dict[str, bytes] = field(default_factory=dict)
    unread: dict[str, Curve] = field(default_factory=dict)
    server: str | None = None
    kept: dict[str, Listing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers.set()

    def _asked(self) -> None:
        self.questions += 1
        self.threads.add(threading.current_thread().name)
        self.answers.wait()
        if self.error is not None:
            raise self.error

    def experiments(self) -> list[str]:
        self._asked()
        return ["repdyn", *self.others]

    def of(self, experiment: str) -> FakeSource:
        return self.others.get(experiment, self)

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        self._asked()
        self.filters.append(matching)
        runs = [found.summary for found in self.records]
        yield runs[: self.page]
        for start in range(self.page, len(runs), self.page):
            yield runs[start : start + self.page]

    def listed(self, matching: str = "") -> Listing | None:
        return self.kept.get(matching)

    def keep(self, listing: Listing, matching: str = "") -> None:
        self.kept[matching] = listing

    def _find(self, run: str) -> RunRecord:
        self._asked()
        for found in self.records:
            if run in (found.summary.run_id, found.summary.name):
                return found
        raise UserError(f"{run}: there is no such run; repdyn runs lists them")

    def summary(self, run: str) -> RunSummary:
        return self._find(run).summary

    def record(self, run: str) -> RunRecord:
        return self._find(run)

    def preview(self, run: str) -> Preview:
        found = self._find(run)
        self.previewed.append(found.summary.run_id)
        return preview_of(found)

    def verdicts(self, sweep: str) -> Mapping[str, str]:
        self._find(sweep)
        return self.judged

    def planes(self, run: str) -> PlaneSet:
        self._find(run)
        return made()[1]

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        self._find(run)
        return next(at for at in made()[2] if at.step == epoch)

    def sizes(self, run: str) -> dict[str, int]:
        self._find(run)
        stored = {path: len(content) for path, content in self.files.items()}
        return stored or {"checkpoints/epoch_00000.safetensors": 720_304}

    def curves(self, run: RunSummary, names: Sequence[str]) -> dict[str, Curve]:
        self._asked()
        return {name: self.unread[name] for name in names}

    def artifact(self, run: str, path: str, most: int) -> bytes:
        self._find(run)
        if path not in self.files:
            raise UserError(f"{path}: the run has no such artifact")
        return self.files[path][:most]

    def artifact_place(self, run: str, path: str) -> str:
        self._find(run)
        return f"/store/{run}/{path}"

    def _changes(self) -> None:
        self._asked()
        if self.refusal is not None:
            raise self.refusal

    def change_tags(self, run_id: str, changes: TagChanges) -> None:
        self._changes()
        found = self._find(run_id)
        note = {} if changes.note is None else {NOTE: changes.note}
        tags = {k: v for k, v in found.summary.tags.items() if k not in changes.removed}
        new = replace(found.summary, tags={**tags, **changes.values, **note})
        self.records = [replace(r, summary=new) if r is found else r for r in self.records]

    def nested(self, run_id: str) -> int:
        self._asked()
        return self.nested_in.get(run_id, 0)

    def delete(self, run_id: str) -> int:
        self._changes()
        found = self._find(run_id)
        self.records = [one for one in self.records if one is not found]
        self.gone.append(found)
        return 1 + self.nested_in.get(run_id, 0)

    def restore(self, run_id: str) -> int:
        self._changes()
        found = next(one for one in self.gone if one.summary.run_id == run_id)
        self.gone.remove(found)
        self.records = [found, *self.records]
        return 1

    def deleted(self) -> list[RunSummary]:
        self._asked()
        return [one.summary for one in self.gone]

    def address(self, run: str) -> str | None:
        self._find(run)
        return self.server and f"{self.server}/#/experiments/1/runs/{run}?workflowType=x"

    def ui_command(self) -> str:
        return "mlflow ui"


@dataclass
class Stage:
    """An app that runs, what drives it, and its source."""

    app: RepdynApp
    pilot: Pilot[None]
    source: FakeSource

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, seen: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds; fails if it never does."""
        end = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < end, f"not seen; the screen shows\n{self.text}"
            await self.pilot.pause(0.02)

    async def sees(self, *words: str) -> None:
        """Wait until the screen shows all of the words."""
        await self.until(lambda: all(word in self.text for word in words))

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(strip.text for strip in self.screen._compositor.render_strips())

    @property
    def screen(self) -> Screen[object]:
        return self.app.screen

    @property
    def look(self) -> ViewState:
        """What the run's screen looks at."""
        screen = self.screen
        assert isinstance(screen, RunScreen | CompareScreen)
        return screen._look


def play(
    scenario: Play,
    source: FakeSource | None = None,
    run: str | None = None,
    size: tuple[int, int] = (120, 40),
    session: Session | None = None,
) -> None:
    """Run a scenario in the app; without a session, none is found and none is left."""

    async def playing() -> None:
        answering = source or FakeSource()
        app = RepdynApp(answering, run, session)
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            try:
                await scenario(Stage(app, pilot, answering))
            finally:
                answering.answers.set()

    asyncio.run(playing())


def hurried(monkeypatch_setattr: Callable[..., None]) -> None:
    """Let the app look for news ten times as often."""
    for module in ("tui.app", "tui.screens.runs", "tui.screens.run", "tui.screens.compare"):
        monkeypatch_setattr(f"{module}.POLL_SECONDS", live.POLL_SECONDS / 10)
