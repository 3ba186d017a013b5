"""What Compare shows of several runs: whole numbers, all layers, every run's phases and values."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repdyn.display.errors import with_error
from repdyn.display.reading import value_at
from repdyn.records import Curve, Phases, RunRecord
from repdyn.score_key import ScoreKey
from tests.support.fakes import FakeSource, Stage, play, record
from tests.support.present import present
from tui.actions import COMPARED
from tui.screens.compare import CompareScreen
from tui.screens.comparing.difference import DIFFERENCE
from tui.screens.view_state import liveliest
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap
from tui.widgets.phase_rows import PhaseRows

NAMES = (
    "vit_tiny-adam-digits",
    "vit_tiny-sgd-digits",
    "resnet18-adam-digits",
    "resnet18-sgd-digits",
)

PHASES = (Phases(16, 62, 17, 43), Phases(12, 50, 11, 23), Phases(11, 45, 96), Phases(8, 31, 8))

SIZES = [(60, 20), (80, 24), (120, 40)]


def runs(count: int = 4) -> FakeSource:
    return FakeSource(
        [
            replace(record(i + 1, name=NAMES[i], started=10 - i), phases=PHASES[i])
            for i in range(count)
        ]
    )


async def opened(stage: Stage, view: str = "overview") -> None:
    await stage.sees("vit_tiny-adam")
    await stage.press(*["space"] * len(stage.source.records), "c")
    await stage.until(lambda: isinstance(stage.screen, CompareScreen))
    await stage.sees("A vit")
    await stage.press(str(COMPARED.index(view) + 1))


def lines(stage: Stage) -> list[str]:
    return [str(line.render()) for line in stage.screen.query(FittedLine) if line.region]


@pytest.mark.parametrize("view", ["overview", "layer"])
def test_heads_tell_the_settings_of_all_runs_or_of_none(view: str) -> None:
    without = ["A logits", "B logits"] if view == "layer" else ["A", "B"]
    first, *others = runs(2).records
    params = {**first.summary.params, "arch": "vit_tiny_patch16_224", "width": "0.25"}
    long = replace(first, summary=replace(first.summary, params=params))

    async def scenario(stage: Stage) -> None:
        await opened(stage, view)
        told: set[tuple[str, ...]] = set()
        for width in (200, 160, 120, 100, 80, 60):
            await stage.pilot.resize_terminal(width, 30)
            await stage.until(lambda: len(heads(stage)) == 2)
            shown = heads(stage)
            assert shown == without or all(map(str.__gt__, shown, without)), (width, shown)
            assert all(head.startswith(start) for head, start in zip(shown, without, strict=True))
            told.add(tuple(shown))
        assert len(told) > 1, "less is told where there is less room"

    play(scenario, FakeSource([long, *others]), size=(220, 30))


def heads(stage: Stage) -> list[str]:
    """What is above the heatmaps of the runs."""
    shown = stage.screen.query(".of-run FittedLine").results(FittedLine)
    return [str(line.render()) for line in shown if line.region]


@pytest.mark.parametrize("size", SIZES)
def test_all_layers_of_four_runs_show_and_no_line_is_cut_inside_a_number(
    size: tuple[int, int],
) -> None:
    numbers = re.compile(r"[\d.]*\d")

    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.sees("A", "B", "C", "D")
        heatmaps = list(stage.screen.query(".of-run Heatmap").results(Heatmap))
        await stage.until(lambda: all(one._arranged is not None for one in heatmaps))
        for heatmap in heatmaps:
            assert not present(heatmap._arranged).rows.crowded
        assert len({heatmap.size for heatmap in heatmaps}) == 1
        known = {"18", "0.25", "0.0015", "1000", "15", "200", "1.0000"}
        for line in lines(stage):
            assert set(numbers.findall(line)) <= known, line
        await stage.press("3")
        await stage.sees("output", "A 200" if size[0] == 60 else "regions per plane")
        titles = re.findall(r"\b([ABCD]) (?:epoch )?(\d+)", stage.text)
        assert [(letter, epoch) for letter, epoch in titles[:4]] == [(one, "200") for one in "ABCD"]

    play(scenario, runs(), size=size)


def test_the_scores_have_a_view_of_their_own_and_all_of_them_are_shown_on_request() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "scores")
        await stage.sees("memorisation onset", "perfect fit", "test accuracy", "−12")
        assert "test error minimum" not in stage.text
        await stage.press("d")
        await stage.sees("test error minimum", "distinguishability (regions)")
        await stage.press("d")
        await stage.until(lambda: "test error minimum" not in stage.text)

    play(scenario, runs(2), size=(120, 60))


def test_curves_of_all_runs_share_a_plot_by_kind_with_their_values_at_the_cursor() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "curves")
        await stage.sees("accuracy, loss", "test/acc", "train/loss")
        plots = [plot for plot in stage.screen.query(Curves) if plot.display]
        assert len(plots) == 2
        drawn = present(plots[0]._series)
        assert len(drawn.curves) == 8
        by_run = {name[0]: colour for name, colour in zip(drawn.names, drawn.colours, strict=True)}
        assert len(set(by_run.values())) == 4
        dashes = {name[2:]: dash for name, dash in zip(drawn.names, drawn.dashes, strict=True)}
        assert len(set(dashes.values())) == len(dashes) == 2
        assert not drawn.markers
        await stage.press("home", "left", "left")
        value = value_at(record(1).curves["test/acc"], 199)
        await stage.sees("epoch 199", f"{value:.3f}")
        await stage.press("a")
        await stage.sees("linked by phase")

    play(scenario, runs())


def test_smoothed_curves_are_read_out_as_they_are_drawn() -> None:
    jagged = Curve(np.arange(201), np.tile([0.0, 1.0], 101)[:201])
    smooth = replace(record(1, name=NAMES[0]), curves={"test/acc": jagged})
    other = replace(record(2, name=NAMES[1], started=1), curves={"test/acc": jagged})

    async def scenario(stage: Stage) -> None:
        await opened(stage, "curves")
        await stage.sees("test/acc")
        stage.screen.query_one("CurvesOfRuns").action_smooth(2)  # type: ignore[attr-defined]
        stage.screen.query(Curves).first().cursor = 100
        await stage.sees("mean of 5 epochs", "epoch 100", "0.400")

    play(scenario, FakeSource([smooth, other]))


@pytest.mark.parametrize("view", ["regions", "curves"])
def test_each_run_has_its_own_phases_with_the_names_of_its_boundaries(view: str) -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, view)
        await stage.sees("fit 62", "fit 50", "fit 45", "fit 31")
        rows = stage.screen.query_one(f"#{view} PhaseRows", PhaseRows)
        shown = [rows.render_line(y).text for y in range(4)]
        assert [line[0] for line in shown] == list("ABCD")
        for line, phases in zip(shown, PHASES, strict=True):
            assert f"fit {phases.fit}" in line
        assert "▲" not in stage.text

    play(scenario, runs())


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_two_runs_differ_on_a_scale_with_its_sign_and_zero_is_the_background(theme: str) -> None:
    changed = record(2, name=NAMES[1], started=1)
    dynamics = present(changed.dynamics)
    dynamics = dynamics.with_similarity(cka=dynamics.similarity["cka"] ** 2)

    async def scenario(stage: Stage) -> None:
        stage.app.theme = theme
        await opened(stage)
        await stage.sees(DIFFERENCE, "above 0: CKA is higher in B")
        heatmap = stage.screen.query_one("#difference Heatmap", Heatmap)
        await stage.until(lambda: heatmap._arranged is not None)
        zero = heatmap.render_line(0)._segments[-2].style  # the last checkpoint and itself
        light = sum(present(present(present(zero).bgcolor or present(zero).color).triplet)) / 3
        assert light > 200 if theme == "textual-light" else light < 60

    play(
        scenario,
        FakeSource([record(1, name=NAMES[0], started=2), replace(changed, dynamics=dynamics)]),
    )


def with_errors(number: int, name: str) -> RunRecord:
    made = record(number, name=name, started=10 - number)
    dynamics = present(made.dynamics)
    errors = {"cka": np.full_like(dynamics.similarity["cka"], 0.004)}
    return replace(made, dynamics=replace(dynamics, errors=errors))


def test_errors_are_read_out_and_what_is_within_them_is_grey_in_the_difference_too() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("left", "g", "down")
        dynamics = present(stage.source.records[0].dynamics)
        value = with_error(float(dynamics.similarity["cka"][1, -2, -1]), 0.004)
        await stage.sees(f"A {value}", f"B {value}", "B − A 0.000 ± .006")
        await stage.press("u")
        assert stage.look.blurred
        assert all(heatmap.blurred for heatmap in stage.screen.query(Heatmap))

    play(scenario, FakeSource([with_errors(1, NAMES[0]), with_errors(2, NAMES[1])]))


def test_without_errors_there_is_no_key_for_them() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("u")
        assert not stage.look.blurred

    play(scenario, runs(2))


def test_a_matrix_is_titled_with_its_own_runs_layer() -> None:
    first, second = record(1, name=NAMES[0], started=2), record(2, name=NAMES[1], started=1)
    dynamics = present(second.dynamics)
    renamed = replace(dynamics, layers=tuple(f"other.{i}" for i in range(len(dynamics.layers))))

    async def scenario(stage: Stage) -> None:
        await opened(stage, "layer")
        to_first = len(dynamics.names("cka")) - liveliest(dynamics, "cka")
        await stage.press(*["greater_than_sign"] * to_first)
        await stage.sees("A stem", "B other.0")
        await stage.press("greater_than_sign")
        await stage.sees("A block.0", "B other.1")

    play(scenario, FakeSource([first, replace(second, dynamics=renamed)]))


@pytest.mark.parametrize(
    ("count", "size"), [(2, (120, 40)), (3, (120, 40)), (4, (120, 40)), (2, (200, 60))]
)
def test_what_squares_leave_shows_the_matrices_at_the_cursor_as_curves(
    count: int, size: tuple[int, int]
) -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "layer")
        await stage.sees("1 − CKA with epoch 200", "fit 62", "fit 50")
        curves = stage.screen.query_one("Profiles Curves", Curves)
        sides = {heatmap.size.height for heatmap in stage.screen.query(Heatmap) if heatmap.region}
        assert len(sides) == 1
        assert sides.pop() + curves.size.height > 0.6 * size[1]
        await stage.press("left", "down", "down")
        epochs = present(stage.source.records[0].dynamics).steps
        reference, other = int(epochs[-2]), int(epochs[-3])
        await stage.sees(f"1 − CKA with epoch {reference}")
        assert curves.cursor == other
        matrix = present(stage.source.records[0].dynamics).similarity["cka"][stage.look.layer]
        first = next(iter(present(curves._series).curves.values()))
        assert value_at(first, other) == pytest.approx(1 - matrix[-3, -2], abs=1e-6)
        await stage.pilot.click(curves, offset=(curves.size.width // 2, 4))
        await stage.until(lambda: stage.look.other not in (None, other))
        assert curves.cursor == stage.look.other

    play(scenario, runs(count), size=size)


@pytest.mark.parametrize(("count", "size"), [(2, (60, 20)), (2, (80, 24)), (4, (100, 40))])
def test_matrices_take_all_of_the_height_where_curves_have_no_room(
    count: int, size: tuple[int, int]
) -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "layer")
        await stage.until(lambda: bool(stage.screen.query("Profiles")))
        assert not stage.screen.query_one("Profiles").display
        assert "1 − CKA" not in stage.text

    play(scenario, runs(count), size=size)


def test_the_profile_of_a_run_without_the_measure_is_left_out() -> None:
    first, second, third = runs(3).records
    without = replace(second, dynamics=replace(present(second.dynamics), similarity={}))

    async def scenario(stage: Stage) -> None:
        await opened(stage, "layer")
        await stage.sees("1 − CKA with epoch 200", "B measured without")
        curves = stage.screen.query_one("Profiles Curves", Curves)
        assert [name[0] for name in curves.names] == ["A", "C"]

    play(scenario, FakeSource([first, without, third]), size=(120, 40))


ELSEWHERE = ("app.help", "app.commands", "compare.back", "compare.export")
"""Actions of which the view shows nothing: they open another screen, or write files."""


@pytest.mark.parametrize("view", COMPARED)
def test_each_key_of_the_footer_does_something(
    view: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    scores = {ScoreKey("fit_break", "cka"): 1.0, ScoreKey("fit_break", "regions"): 2.0}
    scored = [replace(record, scores=scores) for record in runs(2).records]

    async def scenario(stage: Stage) -> None:
        await opened(stage, view)
        await stage.pilot.pause(0.3)
        offered = [a.binding for a in stage.screen.active_bindings.values() if a.binding.show]
        assert {present(b.id) for b in offered} >= {"app.help", "compare.back"}
        for binding in offered:
            if binding.id not in ELSEWHERE:
                before = stage.text
                await stage.press(binding.key)
                await stage.until(lambda before=before: stage.text != before, seconds=10)  # type: ignore[misc]
        assert isinstance(stage.screen, CompareScreen)

    play(scenario, FakeSource(scored))


def test_keys_go_to_the_boundaries_of_all_runs() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage)
        await stage.press("0")
        seen = []
        for _ in range(4):
            await stage.press("right_square_bracket")
            seen.append(stage.look.epoch)
        assert seen == [11, 12, 16, 17]
        await stage.press("left_square_bracket")
        assert stage.look.epoch == 16

    play(scenario, runs(2))
