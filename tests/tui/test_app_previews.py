"""The preview beside the list: what it shows of a run, and when it is read."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from repdyn.records import Phases, RunRecord
from tests.support.fakes import FakeSource, Stage, hurried, play, record, until_epoch
from tests.support.synthetic import FIT, ONSET
from tui.screens import preview_cache
from tui.screens.runs_listed import ListedRuns
from tui.screens.runs_preview import RunPreview
from tui.screens.runs_table import RunsTable

CHECKPOINT = {"repdyn.last_checkpoint": "200"}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """All fingerprints are read, however busy the machine is."""
    monkeypatch.setattr(preview_cache, "QUICK_SECONDS", 600.0)


def three() -> FakeSource:
    return FakeSource([record(i, tags=CHECKPOINT, started=10 - i) for i in range(3)])


def preview(stage: Stage) -> RunPreview:
    return stage.screen.query_one(RunPreview)


def shown(stage: Stage) -> str:
    """What the preview shows."""
    at = preview(stage).region
    lines = stage.text.splitlines()[at.y : at.bottom]
    return "\n".join(line[at.x : at.right] for line in lines)


@pytest.mark.parametrize("size", [(100, 36), (120, 40), (200, 60), (80, 32)])
def test_it_shows_layers_curves_and_phases_of_the_run_under_the_cursor(
    size: tuple[int, int],
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "CKA with last checkpoint, 4 layers" in shown(stage))
        await stage.until(lambda: "noisy fit" in shown(stage))
        for words in ("run-0", f"memorisation onset  {ONSET}", f"perfect fit         {FIT}"):
            assert words in shown(stage)
        await stage.press("down")
        await stage.until(lambda: "run-1" in shown(stage))

    play(scenario, three(), size=size)


@pytest.mark.parametrize("size", [(99, 23), (60, 20)])
def test_a_small_terminal_has_no_preview(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-2")
        assert not preview(stage).display

    play(scenario, three(), size=size)


def test_with_few_lines_it_leaves_the_list_as_many() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "CKA with last checkpoint, 4 layers" in shown(stage))
        assert preview(stage).size.height <= stage.screen.query_one(RunsTable).size.height

    play(scenario, three(), size=(80, 24))


def test_its_key_hides_it_and_shows_it_again() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("4 layers")
        await stage.press("P")
        await stage.until(lambda: "4 layers" not in stage.text)
        await stage.press("P")
        await stage.sees("4 layers")

    play(scenario, three())


def test_previews_are_read_in_the_readers_thread_and_only_once() -> None:
    source = three()

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: len(source.previewed) == 3)
        await stage.press("down", "down", "up")
        await stage.until(lambda: "run-1" in shown(stage))

    play(scenario, source)
    assert sorted(source.previewed) == sorted({*source.previewed})
    assert source.threads == {"reader"}


def test_a_held_key_reads_the_preview_of_the_run_where_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preview_cache, "SLOW_IN_A_ROW", -1)  # none but the run under the cursor
    source = FakeSource([record(i, tags=CHECKPOINT, started=100 - i) for i in range(50)])

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.until(lambda: source.previewed == [f"{0:032x}"])
        table = stage.screen.query_one(RunsTable)
        for _ in range(40):
            table.action_move(1)
        await stage.until(lambda: len(source.previewed) == 2)
        await stage.until(lambda: "run-40" in shown(stage))

    play(scenario, source)
    assert source.previewed == [f"{0:032x}", f"{40:032x}"]


def test_the_list_is_used_while_a_preview_is_read() -> None:
    source = three()
    go_on = threading.Event()
    read = source.preview

    def slow(run: str) -> object:
        go_on.wait(20)
        return read(run)

    source.preview = slow  # type: ignore[method-assign, assignment]

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-2")
        await stage.until(lambda: "Reading" in shown(stage))
        await stage.press("down", "down")
        run = stage.screen.query_one(RunsTable).run
        assert run is not None
        assert run.name == "run-2"
        go_on.set()
        await stage.until(lambda: "run-2" in shown(stage) and "4 layers" in shown(stage))

    play(scenario, source)


def test_a_preview_that_cannot_be_read_says_why_and_the_list_stays() -> None:
    source = three()

    def fails(run: str) -> object:
        raise OSError(f"{run[-1]}: disk on fire\x1b[31m")

    source.preview = fails  # type: ignore[method-assign, assignment]

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "disk on fire" in shown(stage))
        await stage.sees("run-2")
        assert "\x1b" not in stage.text

    play(scenario, source)


def test_a_preview_that_failed_with_the_store_is_read_again_once_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurried(monkeypatch.setattr)
    source = FakeSource([record(i, status="RUNNING", started=9 - i) for i in range(3)])

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0", "CKA with last checkpoint")
        source.error = OSError("connection refused")
        await stage.sees("connection refused; retrying")
        previews = stage.screen.query_one(ListedRuns).previews
        previews._kept.clear()  # as if it had not been read before
        await stage.press("down")
        await stage.until(lambda: bool(previews.errors))
        source.error = None
        await stage.until(lambda: not previews.errors and "connection refused" not in stage.text)
        await stage.sees("CKA with last checkpoint")

    play(scenario, source)


def test_fingerprints_of_the_runs_in_view_fill_their_column() -> None:
    source = three()

    async def scenario(stage: Stage) -> None:
        table = stage.screen.query_one(RunsTable)
        runs = {run.summary.run_id for run in source.records}
        await stage.until(lambda: {*table._fingerprints} == runs)
        assert all(len(values) == 10 for values in table._fingerprints.values())

    play(scenario, source)


def test_slow_reading_does_not_go_on_to_the_runs_in_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_cache, "QUICK_SECONDS", -1.0)  # all are slow
    source = FakeSource([record(i, tags=CHECKPOINT, started=100 - i) for i in range(20)])

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: len(source.previewed) == 3)
        await stage.press("end")
        await stage.until(lambda: "run-19" in shown(stage) and "4 layers" in shown(stage))

    play(scenario, source)
    assert len(source.previewed) == 4


def test_fingerprints_have_glyphs_without_colours(no_colour: None) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: any(c in stage.text for c in "░▒▓█"))

    play(scenario, three(), size=(80, 24))


def fallen_back(metrics: dict[str, float]) -> RunRecord:
    run = record(metrics=metrics)
    return replace(run, phases=replace(run.phases, spikes=(60, 90)))


def test_warnings_tell_of_spikes_and_of_metrics_that_are_no_numbers() -> None:
    metrics = {"test/acc": 0.5, "train/loss": float("nan"), "score/cka_x": float("inf")}

    async def scenario(stage: Stage) -> None:
        await stage.sees("not a number: train/loss", "accuracy fell back at epoch 60, 90")

    play(scenario, FakeSource([fallen_back(metrics)]))


def test_a_stopped_run_says_how_to_resume_it() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "resume with repdyn train --resume 00000000" in shown(stage))

    play(scenario, FakeSource([record(status="KILLED")]), size=(120, 40))


def test_the_progress_of_a_run_that_trains_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)

    def at(epoch: int) -> RunRecord:
        run = until_epoch(record(), epoch)
        return replace(run, summary=replace(run.summary, last_step=epoch, metrics={"x": epoch}))

    def curveless(run: RunRecord) -> RunRecord:
        return replace(run, curves={})

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "epoch 50/200" in shown(stage) and "25 %" in shown(stage))
        stage.source.records = [curveless(at(100))]
        await stage.until(lambda: "epoch 100/200" in shown(stage) and "50 %" in shown(stage))

    play(scenario, FakeSource([curveless(at(50))]))


def plain_run() -> RunRecord:
    """A run of MLflow's that repdyn has not measured."""
    run = record(
        name="plain", params={"depth": "3"}, metrics={"val_acc": 0.9, "size": 7.0}, tags={}
    )
    curve = run.curves["test/acc"]
    return replace(run, dynamics=None, phases=Phases(), curves={"val_acc": curve})


def test_a_run_without_measurements_shows_its_last_metrics_and_a_curve() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "━━━ val_acc" in shown(stage))
        assert "size     7" in shown(stage)
        assert "layers" not in shown(stage)

    play(scenario, FakeSource([plain_run()]))


def test_no_more_than_some_previews_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_cache, "MOST_KEPT", 4)
    source = FakeSource([record(i, tags=CHECKPOINT, started=100 - i) for i in range(9)])

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: len(source.previewed) >= 9)
        await stage.pilot.pause(0.3)
        assert len(stage.screen.query_one(ListedRuns).previews._kept) == 4

    play(scenario, source)
