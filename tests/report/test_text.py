"""Runs as text: what it says, how wide it is, how it takes other people's text."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from repdyn.analysis.scores import MEANINGS, compute_scores
from repdyn.display.findings import findings
from repdyn.display.wording import both_ends, going_on, score_words, undefined_lines
from repdyn.measures.spec import MEASURES
from repdyn.own_runs import PARENT_TAG, SWEEP_TAG
from repdyn.records import Phases, RunRecord
from repdyn.report.runs import nested
from repdyn.report.text import as_json, runs_table, show, summary
from repdyn.score_key import ScoreKey
from repdyn.storage import schema
from tests.support import synthetic
from tests.support.present import present

RECORD = synthetic.run()[0]
DYNAMICS = present(RECORD.dynamics)


def printed(renderable: object, width: int = 100, *, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        no_color=not colour,
        _environ={},
    )
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for renderable in (show(RECORD), summary(RECORD), runs_table([RECORD.summary], width)):
        assert max(map(len, printed(renderable, width).splitlines())) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_show_names_layers_phases_and_scores(width: int) -> None:
    record = replace(RECORD, scores={ScoreKey(name, "cka"): 0.5 for name in MEANINGS})
    said = printed(show(record), width)
    for layer in synthetic.RESNET18:
        assert layer in said
    for word in (
        "memorisation onset",
        "perfect fit",
        "test error peak",
        *map(score_words, MEANINGS),
    ):
        assert word in said
    assert "resnet18 ×0.25 · sgd 0.0015 · digits, 1000 images, 15 % label noise" in said


def test_a_run_without_a_similarity_is_shown_with_its_probes() -> None:
    said = printed(show(replace(RECORD, dynamics=replace(DYNAMICS, similarity={}))))
    assert "Similarity" not in said
    assert "probe, test" in said


def test_markers_stand_at_their_epochs() -> None:
    """The first and the last epoch stand in the middle of the first and the last cell."""
    last = int(DYNAMICS.steps[-1])
    lines = printed(show(replace(RECORD, phases=Phases(onset=0, fit=last))), 50).splitlines()
    heat = next(line for line in lines if line.startswith("logits"))
    markers = next(line for line in lines if "▲" in line)
    assert 0 <= markers.index("▲") - (len("layer1.0") + 2) <= 2
    assert 0 <= len(heat.rstrip()) - 1 - markers.rindex("▲") <= 2


def test_a_layer_that_grows_alike_gets_denser_glyphs() -> None:
    e = len(DYNAMICS.steps)
    rising = np.tile(np.linspace(0, 1, e) ** 0.2, (len(DYNAMICS.layers), e, 1)).astype(np.float32)
    rising[:, :, -1] = rising[:, -1, :]
    said = printed(show(replace(RECORD, dynamics=DYNAMICS.with_similarity(cka=rising))), 50)
    row = next(line for line in said.splitlines() if line.startswith("stem"))[10:]
    ranks = [" ░▒▓█".index(glyph) for glyph in row]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 2


def test_colours_need_two_values_a_character_and_glyphs_one() -> None:
    assert "\x1b[38;2" in printed(show(RECORD), colour=True)
    assert "▌" not in printed(show(RECORD))


def test_the_final_summary_says_accuracies_phases_and_what_the_run_shows() -> None:
    said = printed(summary(RECORD), 120)
    assert "test .9" in said
    assert f"perfect fit {synthetic.FIT}" in said
    for found in findings(RECORD):
        assert str(found) in " ".join(said.split())
    assert len(said.splitlines()) <= 8


def test_scores_and_their_meaning_are_shown_on_request() -> None:
    made = replace(RECORD, scores={ScoreKey("fit_break", "cka"): 1.25})
    said, brief = (printed(show(made, scores=scores)) for scores in (True, False))
    for words in ("1.250", MEANINGS["fit_break"][:20], "Undefined"):
        assert words in said
        assert words not in brief
    assert "--scores" in brief
    assert "--scores" not in said


def test_of_scores_on_many_measures_the_meanings_are_below() -> None:
    scores = {ScoreKey("synchrony", measure): 0.5 for measure in MEASURES}
    lines = printed(show(replace(RECORD, scores=scores)), 80).splitlines()
    numbers = next(i for i, line in enumerate(lines) if line.count("0.500") == len(MEASURES))
    below = "\n".join(lines[numbers + 1 :])
    assert MEANINGS["synchrony"].split(";")[0] in below


def test_of_layers_without_a_change_point_it_is_said_what_that_means() -> None:
    layers = len(DYNAMICS.layers)
    for points, told in (((), False), (((3,),) * layers, False), (((),) * layers, True)):
        phases = replace(RECORD.phases, change_points=points, change_intervals=())
        said = printed(show(replace(RECORD, phases=phases)))
        assert ("stands out from a steady drift" in said) == told


def test_boundaries_and_change_points_have_their_intervals() -> None:
    none = ((),) * (len(DYNAMICS.layers) - 2)
    phases = replace(
        RECORD.phases,
        intervals={"fit": (synthetic.FIT - 2, synthetic.FIT + 3), "onset": (synthetic.ONSET,) * 2},
        change_points=((), (12, 31), *none),
        change_intervals=((), ((11, 12), (26, 36)), *none),
        joint=(30,),
        joint_intervals=((20, 40),),
    )
    record = replace(RECORD, phases=phases)
    fit = f"{synthetic.FIT} ({synthetic.FIT - 2}–{synthetic.FIT + 3})"
    assert f"perfect fit {fit}" in printed(summary(record))
    said = printed(show(record))
    assert fit in said
    assert f"memorisation onset  {synthetic.ONSET}  " in said
    assert "12 (11–12) 31 (26–36)" in said
    jointly = next(line for line in said.splitlines() if line.startswith("all jointly"))
    assert jointly.rstrip().endswith("30 (20–40)")
    told = json.loads(as_json(record))["phases"]
    assert told["joint_intervals"] == [[20, 40]]
    assert told["intervals"]["fit"] == [synthetic.FIT - 2, synthetic.FIT + 3]


def test_an_onset_without_label_noise_is_said_to_be_undefined() -> None:
    clean, _, _ = synthetic.run(noise=False)
    words = "memorisation onset: undefined without label noise"
    assert words in printed(show(clean))
    assert words not in printed(show(RECORD))


def test_a_spike_after_the_fit_is_pointed_out() -> None:
    spiked = replace(RECORD, phases=replace(RECORD.phases, spikes=(67,)))
    for say in (show, summary):
        assert "fell back after perfect fit (epoch 67)" in printed(say(spiked), 200)
        assert "fell back" not in printed(say(RECORD), 200)


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "a\x1b[31mb", "a\nb", "\u202egnp"])
def test_other_peoples_text_is_shown_as_it_is(name: str) -> None:
    record = replace(RECORD, summary=synthetic.summary(name=name))
    for renderable in (show(record), runs_table([record.summary], 200)):
        said = printed(renderable, 200)
        assert "\x1b" not in said
        assert "\u202e" not in said
        if name.startswith("["):
            assert name in said


def test_runs_are_rows_with_their_numbers() -> None:
    other = synthetic.summary(name="other", run_id="0" * 32, status="RUNNING", metrics={})
    runs = [synthetic.summary(), other]
    lines = printed(runs_table(runs, 150, now=1_700_000_120_000), 150).splitlines()
    assert len(lines) == 3
    for word in ("resnet18-sgd-digits", "finished", "15%", ".872", "9", "29", "2 min"):
        assert word in lines[1]
    assert "running" in lines[2]
    assert lines[2].count("–") == 4


def test_a_narrow_list_keeps_the_name() -> None:
    said = printed(runs_table([synthetic.summary()], 80), 80)
    assert "resnet18-sgd-digits" in said
    assert "arch" not in said


def test_heads_are_whole_where_columns_without_a_value_are_left_out() -> None:
    metrics = {"train/acc": 1.0, "test/acc": 0.9, "phase/onset": 4.0, "phase/fit": 25.0}
    run = synthetic.summary(name="own loop", params={}, metrics=metrics)
    head = printed(runs_table([run], 80), 80).splitlines()[0]
    assert head.split() == ["run", "status", "name", "train", "test", "onset", "fit", "age"]


def test_json_holds_every_array() -> None:
    read = json.loads(as_json(RECORD))
    assert read["layers"] == list(DYNAMICS.layers)
    arrays = {name: getattr(DYNAMICS, name) for name in ("steps", *schema.ARRAYS)}
    for name, expected in {**arrays, **DYNAMICS.similarity}.items():
        got = np.array(read[name], dtype=np.float64)
        np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert read["phases"]["fit"] == synthetic.FIT
    assert read["summary"]["run_id"] == RECORD.summary.run_id
    assert read["curves"]["train/acc"]["steps"][:3] == [0, 1, 2]


def test_json_writes_nan_as_null() -> None:
    scores = json.loads(as_json(replace(RECORD, scores={ScoreKey("x", "y"): math.nan})))["scores"]
    assert scores["x_y"] is None


@pytest.mark.parametrize(
    "made",
    [
        synthetic.run(count=1, last=0)[0],
        synthetic.run(noise=False)[0],
        synthetic.run(layers=("only",))[0],
        synthetic.run(layers=tuple(f"blocks.{i}" for i in range(40)), count=8)[0],
        replace(RECORD, dynamics=None),
        replace(RECORD, phases=Phases(), scores={}, curves={}),
        replace(
            RECORD,
            dynamics=DYNAMICS.with_similarity(cka=np.full_like(DYNAMICS.similarity["cka"], np.nan)),
        ),
    ],
    ids=["one checkpoint", "no noise", "one layer", "forty layers", "none yet", "no phases", "nan"],
)
def test_unusual_runs_are_shown(made: RunRecord) -> None:
    said = printed(show(made), 80)
    assert made.summary.name in said
    assert printed(summary(made), 80)
    assert json.loads(as_json(made))["summary"]["name"] == made.summary.name


def test_a_run_without_a_checkpoint_says_so() -> None:
    assert "no checkpoint yet" in printed(show(replace(RECORD, dynamics=None)))


@pytest.mark.parametrize(
    ("status", "why"),
    [("DIED", "its process is gone"), ("KILLED", "stopped"), ("FINISHED", None), ("RUNNING", None)],
)
def test_a_stopped_run_says_how_it_goes_on(status: str, why: str | None) -> None:
    said = printed(show(replace(RECORD, summary=synthetic.summary(status=status))))
    assert ("repdyn train --resume 3f9c1a5b" in said) == (why is not None)
    assert why is None or why in said


def test_what_is_undefined_is_told_with_the_reason_once_for_both_kinds() -> None:
    phases = replace(RECORD.phases, fit=None)
    record = replace(RECORD, phases=phases, scores=compute_scores(DYNAMICS, phases))
    words = "fit break, fit break rank, fit break weakest layer rank"
    said = " ".join(printed(show(record), 300).split())
    assert words in said
    assert "needs perfect fit, which the run did not reach" in said
    assert "fit break (CKA)" not in said
    read = json.loads(as_json(record))["undefined"]
    assert read["fit_break_cka"] == read["fit_break_regions"]
    assert read["fit"].startswith("training accuracy never reached 0.999")


def test_a_reason_of_one_kind_names_the_kind() -> None:
    lines = undefined_lines(
        {
            ScoreKey("synchrony", "cka"): "why",
            ScoreKey("depth_drift", "regions"): "why",
            "onset": "x",
        },
        ("cka", "regions"),
    )
    assert lines == ["synchrony (CKA), depth drift (regions): why", "memorisation onset: x"]


def test_of_a_run_that_goes_on_nothing_that_may_come_is_undefined() -> None:
    going = replace(RECORD, summary=synthetic.summary(status="RUNNING"), phases=Phases(), scores={})
    assert not any(json.loads(as_json(going))["undefined"].values())
    assert "Undefined" not in printed(show(going))
    assert "No perfect fit: " in printed(summary(going), 300)  # said when it has ended


def with_errors(size: float) -> RunRecord:
    errors = {name: np.full_like(each, size) for name, each in DYNAMICS.similarity.items()}
    return replace(RECORD, dynamics=replace(DYNAMICS, errors=errors))


def test_show_tells_the_standard_errors_of_each_measure() -> None:
    said = printed(show(with_errors(0.004)))
    assert "standard error of CKA over reference images: median 0.004, at most 0.004" in said
    assert "standard error of decision regions over planes" in said
    assert "standard error" not in printed(show(RECORD))


def test_json_has_the_standard_errors_and_null_without() -> None:
    found = json.loads(as_json(with_errors(0.25)))
    assert np.array(found["cka_error"]).shape == DYNAMICS.similarity["cka"].shape
    assert found["regions_error"][0][0][1] == 0.25
    assert json.loads(as_json(RECORD))["cka_error"] is None


def test_runs_of_a_sweep_are_below_it() -> None:
    sweep = synthetic.summary(
        name="grid", run_id="a" * 32, tags={SWEEP_TAG: "x"}, params={"arch": "resnet18,vit_tiny"}
    )
    children = [
        synthetic.summary(name=f"child{i}", run_id=str(i) * 32, tags={PARENT_TAG: sweep.run_id})
        for i in (2, 1)
    ]
    again = synthetic.summary(name="again", run_id="b" * 32, tags={PARENT_TAG: "1" * 32})
    alone = synthetic.summary(name="alone", run_id="c" * 32, tags={PARENT_TAG: "elsewhere"})
    itself = synthetic.summary(name="itself", run_id="d" * 32, tags={PARENT_TAG: "d" * 32})
    runs = [children[0], alone, again, children[1], sweep, itself]
    assert [name for _, name in nested(runs)] == [
        "grid (sweep)",
        "  child2",
        "  child1",
        "    again",
        "alone",
        "itself",
    ]
    lines = printed(runs_table(runs, 150), 150).splitlines()
    assert "  child2" in lines[2]
    assert "vit_tiny" not in lines[1], "a sweep's settings are lists"


def test_runs_that_differ_at_the_end_of_their_names_are_told_apart() -> None:
    """Even where the names do not fit: the seed is at their end."""
    names = [f"resnet18-{opt}-digits-s{seed}" for opt in ("sgd", "adam") for seed in (0, 1)]
    runs = [
        synthetic.summary(
            name=name, run_id=f"{i}" * 32, metrics={"phase/fit": 100.0, "test/acc": 0.5}
        )
        for i, name in enumerate(names)
    ]
    for width in (70, 80):
        _, *rows = printed(runs_table(runs, width), width).splitlines()
        shown = [row.split()[2] for row in rows]
        assert len({*shown}) == len(names), shown
        assert all(len(row) <= width for row in rows)
    assert both_ends("resnet18-adam-digits-s0", 16) == "resnet18-a…ts-s0"
    assert both_ends("short", 16) == "short"


def test_a_stopped_sweep_is_resumed_by_its_own_command() -> None:
    sweep = synthetic.summary(status="KILLED", tags={SWEEP_TAG: "x"})
    assert going_on(sweep) == "stopped; resume with the same repdyn sweep command"
