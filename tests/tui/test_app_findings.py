"""What a run shows, said before it is shown: in the Overview, in Phases, in the help."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from repdyn.display.findings import findings
from repdyn.records import Phases, RunRecord
from repdyn.score_key import ScoreKey
from tests.support.fakes import FakeSource, Stage, play, record
from tui.actions import VIEWS
from tui.demo.source import DemoSource
from tui.screens.explained import EXPLAINED
from tui.widgets.heatmap_cells import CHANGE
from tui.widgets.phase_timeline import POINT, PhaseTimeline, rows_of

PHASES = str(VIEWS.index("phases") + 1)


def scored(**scores: float) -> RunRecord:
    """The finished run with scores on CKA."""
    return replace(record(), scores={ScoreKey(name, "cka"): v for name, v in scores.items()})


SLOWER = scored(
    fit_break=2.0,
    fit_break_rank=0.3,
    fit_break_weakest_layer_rank=0.1,
    synchrony=0.8,
    synchrony_rank=1.0,
)


@pytest.mark.parametrize(("size", "lines"), [((60, 20), 1), ((80, 24), 1), ((120, 40), 3)])
def test_the_overview_begins_with_as_many_findings_as_there_is_space_for(
    size: tuple[int, int], lines: int
) -> None:
    async def scenario(stage: Stage) -> None:
        told = [one.within(size[0] - 2) for one in findings(SLOWER)][:lines]
        await stage.sees("does not stand out", *told)
        shown = [line.strip() for line in stage.text.splitlines()[2 : 2 + lines]]
        assert shown == told
        assert "CKA with the last checkpoint" in stage.text.splitlines()[2 + lines]

    play(scenario, FakeSource([SLOWER]), run="run-0", size=size)


def test_findings_take_no_layer_its_line_at_80_by_24() -> None:
    whole = DemoSource().record("resnet18-sgd-digits-s0")

    async def scenario(stage: Stage) -> None:
        await stage.press("m")
        assert whole.dynamics is not None
        await stage.sees("region agreement with", *whole.dynamics.layers, "output")

    source = FakeSource([whole])
    play(scenario, source, run=whole.summary.name, size=(80, 24))


def test_findings_follow_the_measure() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("does not stand out: drift is 4 × slower after it (CKA)")
        await stage.press("m")
        await stage.sees("region agreement with", "whether layers slow down is unknown")

    play(scenario, FakeSource([SLOWER]), run="run-0")


def test_phases_says_scores_in_words_and_numbers_on_request() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press(PHASES)
        await stage.sees("In words (CKA)", "2^2.0 = 4 × slower", "▸ The layers' drift rates")
        assert "fit break rank" not in stage.text
        await stage.press("enter")
        await stage.sees("fit break rank", "0.300", "no p-values")

    play(scenario, FakeSource([SLOWER]), run="run-0", size=(120, 60))


def test_the_numbers_come_into_view_where_there_is_little_space() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press(PHASES)
        await stage.sees("In words (CKA)")
        await stage.press("enter")
        await stage.sees("the flipped labels")

    play(scenario, FakeSource([SLOWER]), run="run-0", size=(60, 20))


@pytest.mark.parametrize("status", ["RUNNING", "FINISHED"])
def test_a_run_without_accuracies_or_checkpoints_is_told_what_to_log(status: str) -> None:
    whole = record(status=status)
    bare = replace(whole, dynamics=None, curves={}, phases=Phases(), scores={})

    async def scenario(stage: Stage) -> None:
        await stage.press(PHASES)
        await stage.sees("Perfect fit is unknown", "No phases: log train/acc")
        await stage.press("enter")
        await stage.sees("hides the numbers")

    play(scenario, FakeSource([bare]), run="run-0")


def test_the_picture_has_the_boundaries_in_order_with_their_intervals() -> None:
    phases = Phases(
        onset=9,
        fit=29,
        test_min=8,
        intervals={"onset": (7, 12), "fit": (29, 29)},
        joint=(30,),
        change_points=((3,), (3, 30), ()),
        spikes=(60,),
    )
    rows = rows_of(phases)
    assert [(row.label, dict(row.points)) for row in rows] == [
        ("test error minimum", {8: POINT}),
        ("memorisation onset", {9: POINT}),
        ("perfect fit", {29: POINT}),
        ("all layers change", {30: CHANGE}),
        ("layers changing", {3: "2", 30: "1"}),
        ("loss spikes", {60: "×"}),
    ]
    assert [row.words for row in rows[:3]] == ["8", "9 (7–12)", "29"]


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 60)])
def test_the_picture_is_on_the_axis_of_the_checkpoints(size: tuple[int, int]) -> None:
    whole = record()
    phases = replace(whole.phases, intervals={"fit": (20, 50), "onset": (9, 9)})

    async def scenario(stage: Stage) -> None:
        await stage.press(PHASES)
        await stage.sees("phases", "before")
        timeline = stage.screen.query_one(PhaseTimeline)
        lines = [strip.text for strip in map(timeline.render_line, range(timeline.size.height))]
        fit = next(line for line in lines if "29 (20–50)" in line)
        begins, point, ends = (fit.index(mark) for mark in "├●┤")
        assert begins < point < ends
        assert lines[0].rstrip() == lines[0].rstrip().rstrip("▲")
        words = set(re.findall(r"[a-z.]+", lines[0])) - {"phases"}
        assert words <= {"before", "onset", "memorisation", "mem.", "after", "fit"}
        ticks = lines[-1]
        assert begins < ticks.index("100")

    play(scenario, FakeSource([replace(whole, phases=phases)]), run="run-0", size=size)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_explained_in_three_sentences(view: str) -> None:
    assert EXPLAINED[view].count(". ") == 2
    assert "Look for" in EXPLAINED[view]


def test_the_help_explains_the_view_before_its_keys() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        for number, view in enumerate(VIEWS, start=1):
            await stage.press(str(number))
            await stage.press("question_mark")
            await stage.sees(" ".join(EXPLAINED[view].split()[:6]), "Keys: ")
            text = stage.text
            assert text.index(EXPLAINED[view].split()[0]) < text.index("Keys: ")
            first = next(line for line in text.splitlines() if "Keys: " in line)
            assert "Cursor" not in first
            await stage.press("escape")
            await stage.sees("epoch 200/200")

    play(scenario, run="run-0", size=(120, 60))


def test_the_help_explains_the_list() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("question_mark")
        await stage.sees("Each row is a training run", "Keys: Runs")

    play(scenario)
