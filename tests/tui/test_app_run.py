"""A run's screen: each view, what the keys do in it, and how it follows a run that trains."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from repdyn.display.scale import SCALES
from repdyn.display.similarity import similarity
from repdyn.records import Curve, FloatArray, IntArray, LabelMaps, PlaneSet, RunRecord
from tests.support import synthetic
from tests.support.fakes import FakeSource, Stage, hurried, made, play, record, until_epoch
from tests.support.present import present
from tui.actions import VIEWS
from tui.screens.info import Info
from tui.screens.layers import Layers
from tui.screens.run import RunScreen
from tui.screens.view import View
from tui.screens.view_state import ViewState, next_scale, to_reference
from tui.widgets.heatmap import Heatmap
from tui.widgets.value_axis import number

SHOWN = {
    "overview": ("CKA with the last checkpoint", "block.1", "onset 9", "noisy fit"),
    "layer": ("logits   4 of 4", "memorisation onset 9", "1 − CKA with epoch"),
    "layers": ("stem", "block.0", "block.1", "logits"),
    "regions": ("output", "plane 6 of 6", "regions per plane"),
    "curves": ("train/loss", "test/acc", "fit 29"),
    "phases": ("erfect fit", "memorisation", "test error peak", "shows the numbers"),
    "info": ("label_noise", "0.15", "epoch_00000.safetensors", "720 kB"),
}


def test_a_number_key_opens_its_view() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("1 Overview")
        for key, view in reversed(list(enumerate(VIEWS, start=1))):
            await stage.press(str(key))
            await stage.sees(*SHOWN[view])
            assert [one.id for one in stage.screen.query(View) if one.display] == [view]

    play(scenario, run="run-0")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (300, 100)])
def test_all_views_are_drawn_at_any_size(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("1 Overview", "epoch 200/200")
        for view in VIEWS[1:]:
            await stage.press("tab")
            await stage.sees(SHOWN[view][0])

    play(scenario, run="run-0", size=size)


def test_all_views_are_drawn_without_colours(no_colour: None) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        for view in VIEWS[1:]:
            await stage.press("tab")
            await stage.sees(SHOWN[view][0])

    play(scenario, run="run-0")


@pytest.mark.parametrize("view", ["overview", "layer", "layers"])
def test_a_key_switches_what_the_colours_span_and_the_bar_says_it(view: str) -> None:
    shown = similarity(present(record().dynamics), "cka")

    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index(view) + 1))
        await stage.sees(*SHOWN[view])
        for how in ("fixed", "run", "linear", "fixed"):
            expected = shown.scale(how)
            words = f"{expected.span} {'log' if expected.logarithmic else 'linear'}"
            await stage.sees(words)
            heatmaps = stage.screen.query(f"#{view} Heatmap").results(Heatmap)
            assert {heatmap.scale for heatmap in heatmaps} == {expected}
            await stage.press("s")

    play(scenario, run="run-0", size=(132, 43))


def test_the_scale_of_shares_is_fixed_or_the_runs_own() -> None:
    """Their fixed scale is linear already."""
    every = [next_scale(how, "regions") for how in SCALES]
    assert every == ["run", "fixed", "run"]
    assert [next_scale(how, "cka") for how in SCALES] == ["run", "linear", "fixed"]


def test_phases_have_their_intervals() -> None:
    whole = record()
    layers = len(whole.phases.change_points)
    points = ((), (12,), *((),) * (layers - 2))
    phases = replace(
        whole.phases,
        intervals={"fit": (27, 33)},
        change_points=points,
        change_intervals=((), ((9, 15),), *((),) * (layers - 2)),
        joint=(30,),
        joint_intervals=((20, 40),),
    )

    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index("phases") + 1))
        await stage.sees("29 (27–33)", "all layers change")
        assert "all jointly" not in stage.text
        await stage.press("enter")
        await stage.sees("every training label is fit")
        await stage.press("end")
        await stage.sees("12 (9–15)", "all jointly", "30 (20–40)")
        await stage.press("enter")
        await stage.until(lambda: "all jointly" not in stage.text)

    play(scenario, FakeSource([replace(whole, phases=phases)]), run="run-0")


def test_info_shows_and_exports_no_secret() -> None:
    whole = record()
    tags = {"mlflow.source.git.repoURL": "https://ann:hunter22@host.example/x?token=abcdefgh"}
    params = {"data_dir": "s3://k:hunter22@bucket/x"}
    summary = replace(whole.summary, tags={**whole.summary.tags, **tags}, params=params)

    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index("info") + 1))
        await stage.sees("https://***@host.example/x?token=***", "s3://***@bucket/x")
        table = stage.screen.query_one(Info).table()
        assert table is not None
        assert "hunter22" not in str(table.rows)
        assert "hunter22" not in stage.text

    play(scenario, FakeSource([replace(whole, summary=summary)]), run="run-0")


def test_an_onset_without_label_noise_is_said_to_be_undefined() -> None:
    whole = record()
    curves = {name: curve for name, curve in whole.curves.items() if name != "train/acc_noisy"}
    clean = replace(whole, curves=curves, phases=replace(whole.phases, onset=None))

    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index("phases") + 1))
        await stage.sees("memorisation onset: undefined without label noise")
        await stage.press("enter")
        await stage.sees("memorisation onset   –")

    play(scenario, FakeSource([clean]), run="run-0")


def test_scores_that_are_undefined_are_told_with_the_reason() -> None:
    whole = record()
    unfit = replace(whole, phases=replace(whole.phases, fit=None), scores={})

    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index("phases") + 1))
        await stage.sees("No perfect fit: training accuracy never reached 0.999")
        await stage.press("enter", "end")
        await stage.sees("Undefined scores", "needs perfect fit, which the run did not reach")

    play(scenario, FakeSource([unfit]), run="run-0")


def test_a_click_on_a_tab_opens_its_view() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        at = stage.text.splitlines()[1].index("Phases")
        await stage.pilot.click(offset=(at, 1))
        await stage.sees(*SHOWN["phases"])

    play(scenario, run="run-0")


def test_the_readout_gives_the_value_under_the_cursor() -> None:
    found = made()[0].dynamics
    assert found is not None
    expected = f"{float(found.similarity['cka'][1, -4, -1]):.4f}"

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200", "logits")
        await stage.press("g", "down", "left", "left", "left")
        await stage.sees(f"block.0  epoch {found.steps[-4]}", expected)

    play(scenario, run="run-0")


def test_the_reference_goes_through_all_four() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("CKA with the last checkpoint")
        for words in ("the previous checkpoint", "the first checkpoint", "epoch 200"):
            await stage.press("r")
            await stage.sees(f"CKA with {words}")

    play(scenario, run="run-0")


def test_similarity_to_the_cursor_follows_the_cursor() -> None:
    found = made()[0].dynamics
    assert found is not None

    async def scenario(stage: Stage) -> None:
        await stage.sees("CKA with the last checkpoint")
        await stage.press("r", "r", "r", "left")
        await stage.sees(f"CKA with epoch {found.steps[-2]}")
        values = to_reference(similarity(found, "cka"), stage.look)
        assert values[:, -2] == pytest.approx(1)

    play(scenario, run="run-0")


def test_m_switches_to_decision_regions_and_adds_the_output() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("CKA with the last checkpoint")
        await stage.press("m")
        await stage.sees("region agreement with the last checkpoint", "output")

    play(scenario, run="run-0")


def test_layer_and_epoch_stay_from_view_to_view() -> None:
    found = made()[0].dynamics
    assert found is not None

    async def scenario(stage: Stage) -> None:
        await stage.sees("logits", "epoch 200/200")
        await stage.press("g", "down", "down", "left", "2")
        await stage.sees("block.1   3 of 4")
        assert stage.look.epoch == found.steps[-2]

    play(scenario, run="run-0")


def test_enter_on_a_small_matrix_shows_it_large() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("3", "less_than_sign")
        await stage.sees("block.1")
        await stage.press("enter")
        await stage.sees("block.1   3 of 4")

    play(scenario, run="run-0")


def test_the_cursor_is_the_same_in_all_small_matrices() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("3")
        await stage.sees("block.0")
        await stage.press("left", "down")
        found = stage.screen.query("Layers Heatmap").results(Heatmap)
        cursors = {heatmap.cursor for heatmap in found}
        assert len(cursors) == 1

    play(scenario, run="run-0")


def test_below_the_small_matrices_all_layers_are_read_out_at_the_cursor() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("3")
        await stage.sees("1 − CKA with epoch 200, layer by layer")
        await stage.press("home", "down")
        found = record().dynamics
        assert found is not None
        shown = similarity(found, "cka")
        values = (number(v) for v in (1 - shown.matrices[:, -2, 0].astype(float)).tolist())
        legend = [f"{name} {value}" for name, value in zip(shown.names, values, strict=True)]
        await stage.sees(f"with epoch {found.steps[0]}, layer by layer", *legend)

    play(scenario, run="run-0", size=(80, 24))


def test_without_room_below_the_small_matrices_there_are_no_profiles() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("3")
        await stage.sees("block.0", "logits")
        await stage.until(lambda: not stage.screen.query_one("Layers .below").display)

    play(scenario, run="run-0", size=(60, 20))


def test_the_small_matrices_of_four_layers_fit_the_smallest_terminal_with_their_names() -> None:
    names = ("stem", "block.0", "block.1", "logits")

    async def scenario(stage: Stage) -> None:
        def chosen(name: str) -> bool:
            return stage.text.count(name) == 2  # above its matrix and in the readout

        await stage.sees("epoch 200/200")
        await stage.press("3")
        for name in reversed(names):
            await stage.until(partial(chosen, name))
            assert all(one in stage.text for one in names)
            await stage.press("less_than_sign")

    play(scenario, run="run-0", size=(60, 20))


def test_keys_step_through_the_checkpoints() -> None:
    found = made()[0].dynamics
    assert found is not None

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("comma", "comma", "full_stop")
        assert stage.look.epoch == found.steps[-2]

    play(scenario, run="run-0")


def test_play_goes_on_by_itself_and_stops() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("space")
        await stage.until(lambda: (stage.look.epoch or 0) >= 2)
        await stage.press("space")
        stopped = stage.look.epoch
        await stage.pilot.pause(0.6)
        assert stage.look.epoch == stopped

    play(scenario, run="run-0")


def test_a_kept_epoch_is_compared_with_others() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("4")
        await stage.sees("plane 6 of 6", "classes here")
        await stage.press("b", "b", "left")
        await stage.sees("epoch 200 (pinned)", "agree on")

    play(scenario, run="run-0")


def test_a_flipped_label_is_told_at_its_anchor() -> None:
    planes = made()[1]
    given, true = int(planes.labels[-1, 0]), int(planes.true_labels[-1, 0])

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("4")
        await stage.sees(f"A {given} (is {true})")

    play(scenario, run="run-0")


def test_curves_are_chosen_from_the_list() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("5", "home", "space")
        await stage.sees("━━━ lr")

    play(scenario, run="run-0")


def test_a_run_without_checkpoint_says_so_and_shows_its_curves() -> None:
    bare = record(status="RUNNING", ended=None)
    bare = type(bare)(bare.summary, None, bare.curves, bare.phases, {})

    async def scenario(stage: Stage) -> None:
        await stage.sees("No checkpoint yet")
        await stage.press("5")
        await stage.sees("train/acc")

    play(scenario, FakeSource([bare]), run="run-0")


def test_a_run_that_is_not_there_says_so() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("nothing: there is no such run", "escape goes back")
        await stage.press("escape")
        await stage.sees("run-0")

    play(scenario, run="nothing")


def test_a_new_checkpoint_appears_and_the_cursor_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)
    whole = record()
    assert whole.dynamics is not None
    epochs = whole.dynamics.steps.tolist()

    async def scenario(stage: Stage) -> None:
        await stage.sees("running", "checkpoint")
        await stage.press("left", "left", "g", "down")
        before = stage.look.epoch
        stage.source.records = [until_epoch(whole, epochs[12])]
        screen = stage.screen
        assert isinstance(screen, RunScreen)
        heatmap = screen.query_one("Overview Heatmap", Heatmap)
        await stage.until(lambda: len(heatmap.epochs) == 13)
        await stage.pilot.pause()
        assert (stage.look.epoch, stage.look.layer) == (before, 1)
        assert heatmap.epochs[heatmap.cursor[1]] == before

    play(scenario, FakeSource([until_epoch(whole, epochs[10])]), run="run-0")


def test_unchanged_data_are_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)
    drawn: list[str] = []
    show = View.show

    def counted(view: View, record: RunRecord, look: ViewState) -> None:
        drawn.append(str(view.id))
        show(view, record, look)

    monkeypatch.setattr(View, "show", counted)

    async def scenario(stage: Stage) -> None:
        await stage.sees("running", "logits")
        await stage.pilot.pause(0.2)
        before, asked = len(drawn), stage.source.questions
        await stage.until(lambda: stage.source.questions > asked + 2)
        assert len(drawn) == before

    play(scenario, FakeSource([until_epoch(record(), 30)]), run="run-0")


def test_a_run_whose_process_is_gone_says_how_it_goes_on() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("its process is gone; resume with repdyn train --resume 00000000")

    play(scenario, FakeSource([record(status="DIED")]), run="run-0")


def test_when_the_store_fails_the_view_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)

    async def scenario(stage: Stage) -> None:
        await stage.sees("running", "logits")
        stage.source.error = OSError("no route")
        await stage.sees("no route", "retrying", "logits")
        stage.source.error = None
        await stage.until(lambda: "no route" not in stage.text)

    play(scenario, FakeSource([until_epoch(record(), 30)]), run="run-0")


def with_errors(size: float) -> RunRecord:
    """Return a run whose similarities all have the same standard error."""
    found = record()
    dynamics = present(found.dynamics)
    errors = {name: np.full_like(each, size) for name, each in dynamics.similarity.items()}
    return replace(found, dynamics=replace(dynamics, errors=errors))


@pytest.mark.parametrize("view", ["1", "2", "3"])
def test_a_value_is_read_out_with_its_standard_error(view: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press(view, "left")
        await stage.sees("± .004")

    play(scenario, FakeSource([with_errors(0.004)]), run="run-0")


def test_cells_within_their_error_are_greyed_by_a_key(no_colour: None) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        assert "~~" not in stage.text
        await stage.press("u")
        await stage.sees("~~")
        await stage.press("u")
        await stage.until(lambda: "~~" not in stage.text)

    play(scenario, FakeSource([with_errors(0.5)]), run="run-0")


def test_exported_numbers_have_their_standard_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("e")
        await stage.until(lambda: len(list(tmp_path.iterdir())) == 3, seconds=20)

    play(scenario, FakeSource([with_errors(0.25)]), run="run-0")
    head, first, *_ = (
        line.split(",") for line in next(tmp_path.glob("*.csv")).read_text().splitlines()
    )
    errors = [cell for name, cell in zip(head, first, strict=True) if name.startswith("± ")]
    assert errors == ["0.25"] * ((len(head) - 1) // 2)


def test_export_writes_the_numbers_in_view(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = made()[0].dynamics
    assert found is not None

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("e")
        await stage.until(lambda: len(list(tmp_path.iterdir())) == 3, seconds=20)

    play(scenario, run="run-0")
    lines = next(tmp_path.glob("*.csv")).read_text().splitlines()
    assert lines[0] == "layer," + ",".join(map(str, found.steps))
    stem = [float(cell) for cell in lines[1].split(",")[1:]]
    assert stem == pytest.approx(found.similarity["cka"][0, :, -1].tolist())
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".png", ".svg"}


class SlowMaps(FakeSource):
    """Its label maps wait until it answers."""

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        self.answers.wait()
        return super().label_maps(run, epoch)


def test_label_maps_may_arrive_when_another_view_is_in_front() -> None:
    source = SlowMaps()

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("4")
        await stage.sees("plane 6 of 6")
        source.answers.clear()
        await stage.press("left", "left", "1")
        source.answers.set()
        await stage.sees("CKA with the last checkpoint", "stem")
        await stage.press("4")
        await stage.sees("agree on")

    play(scenario, source, run="run-0", size=(120, 40))


class ManyClasses(FakeSource):
    """The run as one of 300 classes."""

    def record(self, run: str) -> RunRecord:
        return synthetic.with_classes((super().record(run), *made()[1:]), 300)[0]

    def planes(self, run: str) -> PlaneSet:
        return synthetic.with_classes(made(), 300)[1]

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        return next(at for at in synthetic.with_classes(made(), 300)[2] if at.step == epoch)


def test_regions_of_a_run_with_300_classes_are_shown() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index("regions") + 1))
        await stage.sees("regions per plane, mean", "class 29")
        await stage.press("b", "b", "home")
        await stage.sees("(pinned)", "class 29")

    play(scenario, ManyClasses(), "run-0")


def test_export_of_regions_holds_the_map_in_view_and_fragmentation_at_all_checkpoints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = made()[0].dynamics
    assert found is not None

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("4")
        await stage.sees("regions per plane, mean")
        await stage.press("b", "b", "home", "e")
        await stage.until(lambda: bool(list(tmp_path.glob("*.svg"))), seconds=20)

    play(scenario, run="run-0")
    maps = next(tmp_path.glob("*-cka.csv")).read_text().splitlines()
    assert {line.split(",")[1] for line in maps} == {"epoch", "0", "200"}
    lines = next(tmp_path.glob("*-fragmentation.csv")).read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", *map(str, found.steps)]
    last = [float(cell) for cell in lines[-1].split(",")[1:]]
    assert last == pytest.approx(found.fragmentation[:, -1].tolist())


def test_curves_of_two_files_are_named_literally() -> None:
    odd = record()
    odd = type(odd)(
        odd.summary, odd.dynamics, {"[b]x[/b]": Curve(*_two_points())}, odd.phases, odd.scores
    )

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("5")
        await stage.sees("[b]x[/b]")

    play(scenario, FakeSource([odd]), run="run-0")


def _two_points() -> tuple[IntArray, FloatArray]:
    import numpy as np

    return np.array([0, 200]), np.array([0.0, 1.0])


def test_matrices_are_drawn_again_while_their_places_are_made() -> None:
    """As when the terminal changes its size twice at once."""
    more, _, _ = synthetic.run(layers=tuple(f"blocks.{i}" for i in range(6)), count=5)

    async def scenario(stage: Stage) -> None:
        await stage.press(str(VIEWS.index("layers") + 1))
        await stage.sees("block.1")
        view = stage.screen.query_one(Layers)
        for _ in range(2):
            view.show(more, view.look)
        await stage.sees("blocks.5")

    play(scenario, run="run-0")
