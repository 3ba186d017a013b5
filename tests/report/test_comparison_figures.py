"""Figures of a comparison: CKA between runs with its baselines, and drift over runs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from repdyn.records import RunRecord
from repdyn.report.comparison import Comparison
from repdyn.report.figures.comparison import cross_cka
from repdyn.report.figures.drift import drift_rates
from repdyn.runs.crossed_pairs import crossed_pairs
from tests.report.test_comparison_shown import FAMILIES, RECORD, comparison, record
from tests.support.present import present


def crossed(*baselines: bool, why: str = "") -> Comparison:
    """Return a comparison with pairs of runs, some of them baselines."""
    made = comparison()
    cross = tuple(replace(made.cross[0], baseline=baseline) for baseline in baselines)
    return replace(made, cross=cross, no_baseline=why)


def test_the_cka_of_two_runs_says_which_run_is_rows_and_what_is_a_baseline() -> None:
    figure = cross_cka(crossed(False, True))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles.count("rows: A, columns: B; epoch 200") == 2
    assert [title for title in titles if "(A)" in title] == [
        "a (A) and b (B)",
        "two seeds: a (A) and b (B)",
    ]
    rows = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(present(rows[0]), comparison().cross[0].values[-1])
    assert "no baseline" not in figure.get_suptitle()


def test_pairs_of_one_model_are_below_each_other_in_their_order() -> None:
    pair = comparison().cross[0]
    deep = ((*pair.layers[0][:-1], "deepest"), (*pair.layers[1][:-1], "deepest"))
    other = replace(pair, layers=deep)
    cross = tuple(
        replace(one, names=(name, "b"))
        for one, name in ((pair, "m0"), (other, "n0"), (pair, "m1"), (other, "n1"))
    )
    figure = cross_cka(replace(comparison(), cross=cross))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title[:2] for title in titles if "(A)" in title] == ["m0", "m1", "n0", "n1"]


def test_the_cka_of_two_runs_says_why_it_has_no_baseline() -> None:
    why = "each seed has its own reference images, data_seed 0 and 1"
    assert (
        f"no baseline of two seeds of one optimizer: {why}"
        in cross_cka(crossed(False, why=why)).get_suptitle()
    )


def sweep(seeds: int, **params: str) -> list[RunRecord]:
    """Return the runs of a sweep, with other params."""
    runs = [record(a, o, s) for s in range(seeds) for a in FAMILIES for o in ("sgd", "adam")]
    return [
        replace(run, summary=replace(run.summary, params={**run.summary.params, **params}))
        for run in runs
    ]


def test_each_model_has_baselines_of_two_seeds_where_seeds_share_their_images() -> None:
    pairs, why = crossed_pairs(sweep(2, data_seed="0"))
    named = [(*(run.summary.name for run in pair.runs), pair.baseline) for pair in pairs]
    assert named[:3] == [
        ("resnet-sgd-s0", "resnet-adam-s0", False),
        ("resnet-sgd-s0", "resnet-sgd-s1", True),
        ("resnet-adam-s0", "resnet-adam-s1", True),
    ]
    assert [baseline for *_, baseline in named] == [False, True, True] * 2 + [False] * 2
    assert why == ""


@pytest.mark.parametrize(
    ("seeds", "why"),
    [
        (2, "each seed has its own reference images, data_seed 0 and 1"),
        (1, "one seed for each optimizer"),
    ],
)
def test_without_a_baseline_there_is_a_reason(seeds: int, why: str) -> None:
    pairs, said = crossed_pairs(sweep(seeds))
    assert not any(pair.baseline for pair in pairs)
    assert len(pairs) == 2 * seeds
    assert said == why


def test_two_runs_are_compared_whatever_they_are() -> None:
    sgd, adam, other = (record("resnet18", o, s) for o, s in (("sgd", 0), ("adam", 0), ("sgd", 1)))
    for two, why in (((sgd, adam), "two runs"), ((sgd, other), "")):
        (pair,), said = crossed_pairs(two)
        assert pair.runs == two
        assert said == why


def test_the_drift_of_one_run_has_the_intervals_of_its_boundaries() -> None:
    def shaded(runs: Sequence[RunRecord]) -> set[tuple[float, float]]:
        figure = drift_rates(replace(comparison(), runs=tuple(runs)))
        found = [p for p in figure.axes[0].patches if p.get_gid() == "fit interval"]
        return {(p.get_x(), p.get_x() + p.get_width()) for p in found if isinstance(p, Rectangle)}

    phases = replace(RECORD.phases, fit=30, intervals={"fit": (28, 35)})
    one = replace(record("resnet18", "sgd", 0), phases=phases)
    later = replace(record("resnet18", "sgd", 1), phases=replace(phases, fit=40))
    assert shaded([one]) == {(28, 35)}
    assert shaded([one, later]) == {(30, 40)}, "the range of the runs"
