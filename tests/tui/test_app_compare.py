"""Runs beside each other: linked cursors, by epoch or by phase, the difference, the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repdyn.display import axis
from repdyn.display.similarity import common_scale, similarity
from repdyn.records import Curve, Phases, PlaneSet, RunRecord
from tests.support.fakes import FakeSource, Stage, made, play, record
from tests.support.present import present
from tui.actions import COMPARED
from tui.screens.compare import CompareScreen
from tui.screens.comparing.linked import Linked, phase_aligned
from tui.screens.comparing.view import CompareView
from tui.screens.view_state import liveliest
from tui.widgets.heatmap import Heatmap
from tui.widgets.regions import Regions


def phased(number: int, onset: int | None, fit: int | None) -> RunRecord:
    return replace(record(number), phases=Phases(onset=onset, fit=fit))


async def opened(stage: Stage, runs: int = 2) -> list[Heatmap]:
    """Mark the first runs and compare them; returns their heatmaps."""
    await stage.sees("run-1")
    await stage.press(*["space"] * runs, "c")
    await stage.sees("A run-1", "linked by")
    assert isinstance(stage.screen, CompareScreen)
    return list(stage.screen.query(".of-run Heatmap").results(Heatmap))


def source(*records: RunRecord) -> FakeSource:
    return FakeSource(list(records) or [record(1), record(2, started=1)])


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_two_to_four_runs_are_shown_in_equal_panels(runs: int) -> None:
    async def scenario(stage: Stage) -> None:
        heatmaps = await opened(stage, runs)
        assert len(heatmaps) == runs
        assert len({heatmap.region.offset for heatmap in heatmaps}) == runs
        assert len({heatmap.size for heatmap in heatmaps}) == 1

    play(scenario, source(*(record(i, started=10 - i) for i in range(1, runs + 1))))


def test_the_cursor_moves_in_all_runs() -> None:
    async def scenario(stage: Stage) -> None:
        first, second = await opened(stage)
        await stage.press("left", "left", "g", "down")
        await stage.until(lambda: first.cursor == second.cursor)
        assert first.cursor == (1, len(first.epochs) - 3)

    play(scenario, source())


def test_of_two_equal_runs_the_difference_is_none() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.sees("B − A", "above 0: CKA is higher in B", "−.01", "+.01", "B − A 0.0000")

    play(scenario, source())


def test_linked_by_phase_the_cursors_are_at_the_same_boundary() -> None:
    runs = source(phased(1, 9, 29), replace(phased(2, 3, 60)))

    async def scenario(stage: Stage) -> None:
        first, second = await opened(stage)
        await stage.press("a")
        at = axis.nearest(first.epochs, 29)
        first.cursor = (0, at)
        nearest = phase_aligned(int(first.epochs[at]), runs.records[0], runs.records[1])
        expected = axis.nearest(second.epochs, nearest)
        await stage.until(lambda: second.cursor[1] == expected)
        assert expected != at

    play(scenario, runs)


def test_matrices_are_compared_too_first_those_of_the_layer_that_changes_most() -> None:
    dynamics = present(record().dynamics)
    names, most = dynamics.names("cka"), liveliest(dynamics, "cka")

    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("2")
        await stage.sees("CKA of two checkpoints", *(f"{letter} {names[most]}" for letter in "AB"))
        await stage.press("greater_than_sign")
        await stage.sees(*(f"{letter} {names[(most + 1) % len(names)]}" for letter in "AB"))

    play(scenario, source())


def test_regions_of_two_runs_on_the_same_plane_agree_where_they_are_equal() -> None:
    before = int(made()[2][-2].step)

    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("3")
        await stage.sees("A epoch 200, output", "B epoch 200, output", "agree on 100 %")
        await stage.press("left", "down")
        await stage.sees(f"A epoch {before}, stem", f"B epoch {before}, stem")
        await stage.press("home")
        await stage.sees("A epoch 0, stem", "B epoch 0, stem")

    play(scenario, source())


def test_runs_with_other_planes_are_said_to_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def planes(self: FakeSource, run: str) -> PlaneSet:
        shift = int(self.record(run).summary.name == "run-2")
        return replace(made()[1], anchors=made()[1].anchors + np.uint8(shift))

    monkeypatch.setattr(FakeSource, "planes", planes)

    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("3")
        await stage.sees("A epoch 200, output", "the runs have different planes")
        assert "agree on" not in stage.text

    play(scenario, source())


def test_the_regions_of_four_runs_have_one_legend() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, 4)
        await stage.press("3")
        await stage.sees(*(f"{letter} epoch 200, output" for letter in "ABCD"))
        assert len(stage.screen.query(Regions)) == 1

    play(scenario, source(*(record(i, started=10 - i) for i in range(1, 5))), size=(200, 60))


def test_linked_by_phase_curves_are_drawn_over_the_first_runs_epochs() -> None:
    runs = Linked((phased(1, 9, 29), phased(2, 3, 100)), by_phase=True)
    epochs = np.array([0, 3, 100, 200])
    moved = runs.on_first(Curve(epochs, np.arange(4.0)), 1)
    assert moved.steps.tolist() == [0, 9, 29, 200]
    assert moved.values.tolist() == [0, 1, 2, 3]


def test_epochs_that_fall_together_leave_the_last_value() -> None:
    runs = Linked((phased(1, 2, 29), phased(2, 100, 150)), by_phase=True)
    moved = runs.on_first(Curve(np.arange(201), np.arange(201.0)), 1)
    assert (np.diff(moved.steps) > 0).all()
    assert moved.values[-1] == 200


@pytest.mark.parametrize("view", COMPARED)
def test_every_view_is_exported(view: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press(str(COMPARED.index(view) + 1))
        await stage.sees(*["agree on"] * (view == "regions"))
        await stage.press("e")
        last = "*.csv" if view == "scores" else "*.svg"
        await stage.until(lambda: bool(list(tmp_path.glob(last))), seconds=30)

    play(scenario, source())
    drawn = set() if view == "scores" else {".png", ".svg"}
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv"} | drawn
    if view == "scores":
        assert "memorisation onset,9,9" in next(tmp_path.glob("*.csv")).read_text()
        return
    rows = next(tmp_path.glob(f"*-{view}.csv")).read_text().splitlines()
    differing = ["B − A"] * (view in ("overview", "layer"))
    assert {row.split(",")[0] for row in rows} == {"run", "A run-1", "B run-2", *differing}


@pytest.mark.parametrize("view", ["overview", "layer"])
def test_the_difference_is_in_the_exported_numbers_and_figure(view: str) -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press(str(COMPARED.index(view) + 1))
        (front,) = (v for v in stage.screen.query(CompareView) if v.display)
        await stage.until(lambda: front.figure() is not None)
        table, draw = front.table(), front.figure()
        assert table is not None
        assert draw is not None
        values: dict[tuple[object, ...], Any] = {
            (run, row, epoch): value for run, row, epoch, value, _ in table.rows
        }
        of = {(row, epoch): v for (run, row, epoch), v in values.items() if run == "B − A"}
        first, second = (
            run for run in dict.fromkeys(row[0] for row in table.rows) if run != "B − A"
        )
        expected = [values[second, *cell] - values[first, *cell] for cell in of]
        np.testing.assert_allclose(list(of.values()), expected, atol=1e-6)
        assert np.ptp(expected) > 0
        (axes,) = (a for a in draw().axes if a.get_title(loc="left") == "B − A")
        drawn = present(axes.collections[0].get_array())
        np.testing.assert_allclose(np.ravel(drawn), expected, atol=1e-6)

    changed = record(2, started=1)
    assert changed.dynamics is not None
    other = changed.dynamics.with_similarity(cka=changed.dynamics.similarity["cka"] ** 2)
    play(scenario, source(record(1, started=2), replace(changed, dynamics=other)))


def test_fragmentation_is_exported_at_all_checkpoints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("3")
        await stage.sees("agree on")
        await stage.press("e")
        await stage.until(lambda: bool(list(tmp_path.glob("*.svg"))), seconds=30)

    play(scenario, source())
    dynamics = made()[0].dynamics
    assert dynamics is not None
    text = next(tmp_path.glob("*-fragmentation.csv")).read_text()
    assert len(text.splitlines()) == 1 + 2 * len(dynamics.steps)


def test_phase_aligned_maps_boundaries_and_ends_to_each_other() -> None:
    first, second = phased(1, 9, 29), phased(2, 3, 100)
    mapped = [phase_aligned(epoch, first, second) for epoch in (0, 9, 29, 200)]
    assert mapped == [0, 3, 100, 200]


def test_phase_aligned_there_and_back_is_where_one_was() -> None:
    first, second = phased(1, 9, 29), phased(2, 12, 60)
    for epoch in (0, 9, 29, 200):
        assert phase_aligned(phase_aligned(epoch, first, second), second, first) == epoch


def test_phase_aligned_never_goes_back() -> None:
    first, second = phased(1, 9, 29), phased(2, 40, None)
    mapped = [phase_aligned(epoch, first, second) for epoch in range(201)]
    assert mapped == sorted(mapped)


def test_runs_without_common_boundaries_are_aligned_by_epoch() -> None:
    first, second = phased(1, None, 29), phased(2, 40, None)
    assert [phase_aligned(epoch, first, second) for epoch in (0, 7, 120)] == [0, 7, 120]


def test_the_common_scale_of_a_run_and_itself_is_its_own() -> None:
    dynamics = record().dynamics
    assert dynamics is not None
    shown = similarity(dynamics, "cka")
    assert common_scale([shown, shown], "run") == shown.scale("run")


def test_a_key_has_the_runs_on_the_fixed_scale_on_their_own_or_on_a_linear_one() -> None:
    both = [record(1), record(2, started=1)]
    similar = [similarity(present(one.dynamics), "cka") for one in both]

    async def scenario(stage: Stage) -> None:
        heatmaps = await opened(stage)
        for how in ("fixed", "run", "linear", "fixed"):
            expected = common_scale(similar, how)
            await stage.sees(f"{expected.span} {'log' if expected.logarithmic else 'linear'}")
            assert {heatmap.scale for heatmap in heatmaps} == {expected}
            await stage.press("s")

    play(scenario, source(*both))
