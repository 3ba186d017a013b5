"""What a run shows in sentences: no more than its scores, of runs whose answer is known."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from repdyn.analysis.scores import compute_scores
from repdyn.display.findings import Finding, findings, percent, times
from repdyn.display.score_sentences import score_sentences
from repdyn.measures.spec import MEASURES
from repdyn.records import Curve, Dynamics, Phases, RunRecord, RunSummary
from repdyn.score_key import ScoreKey

FIT, LAST = 50, 400
SLOPE = 0.2
MEASURE = next(iter(MEASURES))
STEPS = np.unique([0, *np.round(np.geomspace(1, LAST, 60)).astype(int)])


def matrix(slower: float) -> np.ndarray:
    """A layer that drifts evenly in log epoch, and from the fit on so many times slower."""
    at = np.log(np.maximum(STEPS, 0.7))
    fit = math.log(FIT)
    path = SLOPE * (np.minimum(at, fit) + np.maximum(at - fit, 0) / slower)
    return np.asarray(np.exp(-abs(path[:, None] - path)))


def run(*slower: float, status: str = "FINISHED", phases: Phases | None = None) -> RunRecord:
    """A run whose layers after the first slow down by these factors at the fit."""
    layers = (1.0, *slower)
    count = len(layers)
    dynamics = Dynamics(
        tuple(f"layer{i}" for i in range(count)),
        STEPS,
        {MEASURE: np.stack([matrix(one) for one in layers]).astype(np.float32)},
        np.full((count, len(STEPS), 3), np.nan, np.float32),
        np.full((count + 1, len(STEPS)), np.nan, np.float32),
        np.full((count + 1, len(STEPS), 2), np.nan, np.float32),
    )
    epochs = np.arange(1, LAST + 1)
    curves = {"train/acc": Curve(epochs, np.minimum(1.0, 0.5 + 0.5 * epochs / FIT))}
    known = Phases(fit=FIT) if phases is None else phases
    summary = RunSummary("0" * 32, "run", "repdyn", status, 0, None, {}, {"repdyn.schema": "2"}, {})
    found = RunRecord(summary, dynamics, curves, known, {})
    return replace(found, scores=compute_scores(dynamics, known))


def first(record: RunRecord) -> str:
    return str(findings(record)[0])


def with_scores(record: RunRecord, **scores: float) -> RunRecord:
    changed = {ScoreKey(name, MEASURE): value for name, value in scores.items()}
    return replace(record, scores={**record.scores, **changed})


def test_layers_that_all_slow_down_at_the_fit_are_said_to_with_their_number_and_factor() -> None:
    sentence = first(run(8, 8, 8, 8))
    assert sentence.startswith("All 4 layers after the first slow down at perfect fit (epoch 50)")
    said = re.search(r"([\d.]+) × on average", sentence)
    rates = [1 - math.exp(-SLOPE / slower * math.log(1.5)) for slower in (1, 8)]
    assert said is not None
    assert float(said[1]) == pytest.approx(rates[0] / rates[1], rel=0.05)
    assert "more than at any other epoch" in sentence


def test_a_layer_that_goes_on_is_not_counted_among_those_that_slow_down() -> None:
    sentence = first(run(8, 8, 8, 1))
    assert not sentence.startswith("All")
    assert "not each of them stands out" in sentence


def test_a_steady_run_has_no_break() -> None:
    steady = with_scores(run(1, 1, 1), fit_break=math.log2(1.5), fit_break_rank=0.4)
    assert first(steady) == (
        "Perfect fit (epoch 50) does not stand out: the layers drift 1.5 × slower after it, and slow "
        "down as much or more at 60 % of the other epochs"
    )


def test_layers_that_speed_up_do_not_slow_down_whatever_their_rank() -> None:
    faster = with_scores(
        run(0.5, 0.5), fit_break=-1.0, fit_break_rank=1.0, fit_break_weakest_layer_rank=1.0
    )
    assert first(faster).startswith("Perfect fit (epoch 50) does not stand out")
    assert "2 × faster" in first(faster)


def test_a_rank_of_all_layers_is_no_slowdown_of_each() -> None:
    """Of layers that speed up less at the fit than elsewhere."""
    ranked = with_scores(
        run(8, 8, 0.5), fit_break=1.0, fit_break_rank=1.0, fit_break_weakest_layer_rank=1.0
    )
    assert not first(ranked).startswith("All")


@pytest.mark.parametrize(("chance", "said"), [(0.01, False), (0.12, True)])
def test_a_break_that_chance_gives_often_is_said_to(chance: float, said: bool) -> None:
    sentence = first(with_scores(run(8, 8), all_break_chance=chance))
    assert ("by chance in 12 % of runs" in sentence) == said


def test_a_run_that_never_fits_says_so_with_its_best_accuracy() -> None:
    whole = run(8, 8, phases=Phases())
    accuracies = np.array([0.2, 0.9, 0.962, 0.95])
    curves = {"train/acc": Curve(np.array([1, 2, 3, 4]), accuracies)}
    best = int(accuracies.argmax())
    sentence = first(replace(whole, curves=curves))
    assert sentence.startswith("No perfect fit: training accuracy never reached 0.999")
    assert f"{accuracies[best]:.3f}, at epoch {best + 1}" in sentence


def test_a_run_that_trains_says_what_is_known_so_far() -> None:
    whole = run(8, 8, status="RUNNING", phases=Phases())
    curves = {"train/acc": Curve(np.array([1, 2, 3]), np.array([0.2, 0.5, 0.617]))}
    live = replace(whole, curves=curves, scores={}, dynamics=None)
    assert first(live) == "No perfect fit so far: training accuracy .617 at epoch 3"
    fitted = replace(run(8, 8, status="RUNNING"), scores={})
    assert first(fitted).startswith("Perfect fit at epoch 50; whether layers slow down there is")


def test_without_training_accuracy_the_fit_is_unknown() -> None:
    assert first(replace(run(8, phases=Phases()), curves={})).startswith("Perfect fit is unknown")


def test_a_run_that_ends_soon_after_the_fit_has_the_reason_and_no_claim() -> None:
    whole = run(8, 8)
    assert whole.dynamics is not None
    short = whole.dynamics.at_checkpoints(STEPS <= 60)
    phases = whole.phases
    sentence = first(replace(whole, dynamics=short, scores=compute_scores(short, phases)))
    assert "run ends at epoch" in sentence
    assert "slower" not in sentence


def test_a_stopped_run_without_scores_claims_nothing() -> None:
    sentence = first(replace(run(8, 8, status="KILLED"), scores={}))
    assert (
        sentence == "Perfect fit at epoch 50; the run has no scores, which are computed at its end"
    )


@pytest.mark.parametrize(
    ("rank", "words"),
    [
        (1.0, "The layers move together"),
        (0.96, "more than in 96 % of random time shifts"),
        (0.5, "The layers do not move together more than by chance"),
    ],
)
def test_layers_move_together_if_they_do_more_than_by_chance(rank: float, words: str) -> None:
    record = with_scores(run(8, 8), synchrony=0.9, synchrony_rank=rank)
    assert words in str(findings(record)[1])


def test_boundaries_are_told_with_their_intervals() -> None:
    phases = Phases(onset=8, test_min=6, test_peak=20, intervals={"onset": (7, 9)})
    last = findings(run(8, phases=phases))[-1]
    assert "start to be fit at epoch 8 (7–9)" in str(last)
    assert "rises from epoch 6 to a peak at 20" in str(last)


@pytest.mark.parametrize(
    ("time", "words"), [(10, "is flat from epoch"), (300, "still falls at the end")]
)
def test_a_test_error_without_a_minimum_is_told_to_be_flat_or_to_fall(
    time: int, words: str
) -> None:
    epochs = np.arange(LAST + 1)
    acc = Curve(epochs, 0.7 - 0.5 * np.exp(-epochs / time))
    curves = {**run(8).curves, "test/acc": acc}
    sentence = str(findings(replace(run(8), curves=curves))[-1])
    assert f"The test error {words}" in sentence
    live = replace(run(8, status="RUNNING"), curves=curves)
    assert words not in " ".join(map(str, findings(live)))


def test_no_sentence_has_nan() -> None:
    for record in (run(8, 8), run(1), run(8, phases=Phases()), replace(run(8), dynamics=None)):
        for found in findings(record):
            assert not any("nan" in form for form in found.forms)


def test_a_sentence_fits_any_width_and_ends_with_a_word() -> None:
    found = findings(run(8, 8, 8))[0]
    whole = {word for form in found.forms for word in form.split()}
    for width in range(1, 130):
        line = found.within(width)
        assert len(line) <= width
        assert set(line.split()) <= whole | {"…"}


def test_the_longest_form_that_fits_is_chosen() -> None:
    found = Finding(("a long one", "short"))
    assert [found.within(width) for width in (10, 9, 5)] == ["a long one", "short", "short"]


@pytest.mark.parametrize("share", [0.001, 0.009, 0.5, 0.995, 0.9999])
def test_a_share_between_none_and_all_is_written_as_neither(share: float) -> None:
    assert percent(share) not in ("0 %", "100 %")


@pytest.mark.parametrize("factor", [1.2, 2, 11, 40, 431])
def test_a_factor_is_the_power_of_two(factor: float) -> None:
    assert times(math.log2(factor)) == f"{factor:g} × slower"
    assert times(-math.log2(factor)) == f"{factor:g} × faster"


def test_scores_in_words_are_six_at_most_and_those_that_stand_out_are_marked() -> None:
    values = {
        "fit_break": math.log2(11),
        "synchrony": 0.9,
        "synchrony_outside_fit": 0.2,
        "change_spread": 1.1,
        "break_spread": 0.3,
        "depth_drift": 2.0,
        "first_layer_return": 1.0,
    }
    ranks = {f"{name}_rank": 0.5 for name in values} | {"fit_break_rank": 1.0}
    sentences = score_sentences(with_scores(replace(run(8), scores={}), **values, **ranks), MEASURE)
    assert len(sentences) == 6
    assert "2^3.5 = 11 × slower; more than at any other epoch" in sentences[0].text
    assert [one.stands_out for one in sentences] == [True, False, False, False, False, False]
    words = " ".join(one.text for one in sentences)
    assert "differ by 110 % of their mean" in words
    assert f"10^0.30 = {10**0.3:.2g} ×" in words
    assert "2^2.0 = 4 × faster" in words
    assert "it was 2 × farther from its start than it is at the end" in words


@pytest.mark.parametrize("log2", [0.0, 0.004, -0.004])
def test_a_factor_that_rounds_to_one_is_no_change(log2: float) -> None:
    values = {"fit_break": log2, "depth_drift": log2, "first_layer_return": log2}
    ranks = {f"{name}_rank": 1.0 for name in values}
    ranks["fit_break_weakest_layer_rank"] = 1.0
    record = with_scores(replace(run(1, 1), scores={}), **values, **ranks)
    drift, depth, first_layer = score_sentences(record, MEASURE)
    assert drift.text == "After perfect fit the layers drift as fast as before"
    assert depth.text.startswith("The last layer drifts as fast as the second")
    assert first_layer.text == "The first layer does not return towards its start"
    assert not drift.stands_out
    assert first(record).endswith("does not stand out: the layers drift as fast after it")


def test_a_slight_factor_is_told_in_percent_and_no_return_of_the_first_layer() -> None:
    assert times(math.log2(1.02)) == "1.02 × slower"
    values = {"fit_break": 0.03, "depth_drift": -0.03, "first_layer_return": 0.03}
    ranks = {f"{name}_rank": 1.0 for name in values}
    steady = with_scores(replace(run(1, 1), scores={}), **values, **ranks)
    drift, depth, first_layer = score_sentences(steady, MEASURE)
    assert drift.text.startswith("After perfect fit the layers drift 2 % slower;")
    assert "drifts 2 % slower than the second" in depth.text
    assert first_layer.text == "The first layer does not return towards its start"
    assert not first_layer.stands_out


@pytest.mark.parametrize(("spread", "said"), [(0.01, ""), (0.05, ", 10^0.05 = 1.1 × apart")])
def test_layers_that_break_together_are_not_said_to_be_one_times_apart(
    spread: float, said: str
) -> None:
    scores = {"break_spread": spread, "break_spread_rank": 0.0}
    (one,) = score_sentences(with_scores(replace(run(8), scores={}), **scores), MEASURE)
    assert one.text.startswith(f"The layers slow down most at the same time{said}; random epochs")


def test_a_score_without_its_rank_is_not_put_in_words() -> None:
    bare = with_scores(replace(run(8), scores={}), fit_break=1.0)
    assert score_sentences(bare, MEASURE) == ()
