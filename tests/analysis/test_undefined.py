"""Every score and boundary is defined, or there is a reason, which tells of the run's own numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import MEANINGS, compute_scores
from repdyn.analysis.undefined import NOT_LOGGED, NOT_STORED, undefined_phases, undefined_scores
from repdyn.records import Curve, Dynamics, Phases
from repdyn.score_key import ScoreKey
from tests.support.synthetic_runs import EPOCHS, constant, curve, dynamics, pulsed

RUN = dynamics([pulsed(0.1 * k) for k in range(4)])
PHASES = Phases(onset=10, fit=40)


def reasons(run: Dynamics, phases: Phases = PHASES) -> dict[ScoreKey, str]:
    """Return the reasons; scores and reasons together are all that there are, none is both."""
    scores = compute_scores(run, phases)
    found = undefined_scores(run, phases, scores)
    every = {ScoreKey(name, measure) for name in MEANINGS for measure in ("cka", "regions")}
    assert set(found) | set(scores) == every
    assert not set(found) & set(scores)
    assert NOT_STORED not in found.values()
    return found


def only(run: Dynamics, kept: np.ndarray) -> Dynamics:
    """Return a run with some of its checkpoints."""
    return run.at_checkpoints(kept)


def test_a_whole_run_lacks_nothing() -> None:
    assert reasons(RUN) == {}


def test_without_perfect_fit_what_needs_it_says_so() -> None:
    found = reasons(RUN, Phases(onset=10))
    assert "perfect fit, which the run did not reach" in found[ScoreKey("fit_break", "cka")]
    assert {key.score for key in found if key.measure == "cka"} == {
        "fit_break",
        "fit_break_rank",
        "fit_break_weakest_layer_rank",
        "all_break_chance",
        "synchrony_outside_fit",
        "synchrony_outside_fit_rank",
        "change_spread",
        "change_spread_rank",
    }


def test_without_an_onset_the_spread_of_the_change_says_so() -> None:
    found = reasons(RUN, Phases(fit=40))
    assert set(found) == {
        ScoreKey(f"change_spread{end}", of) for end in ("", "_rank") for of in ("cka", "regions")
    }
    assert "memorisation onset" in found[ScoreKey("change_spread", "cka")]
    assert "epoch 50" in reasons(RUN, Phases(onset=50, fit=40))[ScoreKey("change_spread", "cka")]


def test_a_run_that_ends_soon_after_the_fit_says_how_far_it_would_have_to_go() -> None:
    run = only(RUN, EPOCHS <= 60)
    last = int(run.steps[-1])
    found = reasons(run, Phases(onset=10, fit=40))
    assert (
        f"run ends at epoch {last}, {last - 40} epochs after perfect fit"
        in found[ScoreKey("fit_break", "cka")]
    )
    assert "3.06 × the fit epoch = 123" in found[ScoreKey("fit_break", "cka")]
    reaching = only(RUN, EPOCHS <= 130)
    assert ScoreKey("fit_break", "cka") not in reasons(reaching, Phases(onset=10, fit=40))


def test_a_fit_at_the_beginning_comes_too_soon() -> None:
    assert "at epoch 2, comes too soon" in reasons(RUN, Phases(fit=2))[ScoreKey("fit_break", "cka")]
    assert "before training" in reasons(RUN, Phases(fit=0))[ScoreKey("fit_break", "cka")]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (EPOCHS < 1, "0 checkpoints after epoch 0; at least 2"),
        (EPOCHS <= 1, "1 checkpoint after epoch 0; at least 2"),
        ((EPOCHS <= 10) | (EPOCHS >= 300), "no checkpoint between epochs 10 and"),
    ],
)
def test_checkpoints_that_give_no_drift_say_why(kept: np.ndarray, words: str) -> None:
    found = reasons(only(RUN, kept))
    assert len(found) == 2 * len(MEANINGS)
    assert all(words in why for why in found.values())


def test_checkpoints_too_near_to_each_other_say_how_far_they_must_reach() -> None:
    found = reasons(only(RUN, EPOCHS[-2] <= EPOCHS))
    needed = int(np.ceil(EPOCHS[-2] * 1.5))
    assert f"epoch {needed}, 1.5 × the first, is needed" in found[ScoreKey("synchrony", "cka")]


def test_a_return_needs_the_initial_model_and_two_windows() -> None:
    key = ScoreKey("first_layer_return", "cka")
    assert key not in reasons(RUN)
    late = reasons(only(RUN, EPOCHS >= 1))[key]
    assert late == "needs the initial model; the first checkpoint is at epoch 1"
    assert reasons(only(RUN, EPOCHS <= 2))[key] == (
        "the checkpoints end at epoch 2; epoch 3, 2.25 × the first, is needed"
    )
    holed = RUN.similarity["cka"].copy()
    holed[0, 0, 5] = np.nan
    why = reasons(RUN.with_similarity(cka=holed))[key]
    assert why == "the first layer's similarity with the initial model is undefined"


def test_a_short_run_has_no_spread_of_breaks() -> None:
    found = reasons(only(RUN, (EPOCHS >= 1) & (EPOCHS <= 8)), Phases())
    assert (
        "run ends at epoch 8; the windows of a break need epoch 10"
        in found[ScoreKey("break_spread", "cka")]
    )


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_few_layers_are_counted(layers: int) -> None:
    found = reasons(dynamics([pulsed(0.1 * k) for k in range(layers)]))
    count = "1 layer" if layers == 1 else f"{layers} layers"
    assert found[ScoreKey("depth_drift", "cka")] == f"{count} after the first; 3 are needed"
    assert (ScoreKey("synchrony", "cka") in found) == (layers < 2)


def test_layers_with_nan_are_told_from_those_that_are_not_there() -> None:
    holed = RUN.similarity["cka"].copy()
    holed[2:, 5, 6] = np.nan
    found = reasons(RUN.with_similarity(cka=holed))
    assert "4 layers after the first, 3 of them without" in found[ScoreKey("depth_drift", "cka")]
    assert ScoreKey("depth_drift", "regions") not in found


def test_layers_that_move_alike_at_one_speed_do_not_vary() -> None:
    found = reasons(dynamics([constant(0.0)] * 3))
    assert "fewer than two layers vary" in found[ScoreKey("synchrony", "cka")]


def test_boundaries_say_why_they_are_not_there() -> None:
    rising = curve(lambda epoch: 1 - 0.5 * np.exp(-epoch / 50) - 0.05)
    curves = {"train/acc": rising, "test/acc": curve(lambda epoch: 0.9 - 0.001 * epoch)}
    found = undefined_phases(curves, find_phases(curves, None))
    assert found["onset"] == "undefined without label noise: no labels are flipped"
    assert found["fit"].startswith("training accuracy never reached 0.999; its highest is 0.950")
    assert "never falls" in found["test_min"]
    assert "does not rise" in found["test_peak"]


def test_a_test_error_without_a_minimum_is_flat_or_still_falls() -> None:
    flat = {"test/acc": curve(lambda epoch: 0.9 - 0.5 * np.exp(-epoch / 2))}
    said = undefined_phases(flat, find_phases(flat, None))["test_min"]
    assert re.fullmatch(r"the test error is flat from epoch \d+ to the end", said)
    noise = np.random.default_rng(0).normal(scale=0.02, size=len(flat["test/acc"].steps))
    noisy = replace(flat["test/acc"], values=flat["test/acc"].values + noise)
    said = undefined_phases({"test/acc": noisy}, Phases())["test_min"]
    within = re.search(r"to the end, to within (\S+), twice its jitter", said)
    assert within is not None
    assert float(within[1]) == pytest.approx(2 * 0.02, rel=0.2)
    falling = {"test/acc": curve(lambda epoch: epoch / 500)}
    said = undefined_phases(falling, find_phases(falling, None))["test_min"]
    assert said == f"the test error still falls at the end, epoch {falling['test/acc'].steps[-1]}"


def test_short_and_missing_curves_are_said_to_be_so() -> None:
    short = Curve(np.arange(4), np.linspace(0, 0.5, 4))
    found = undefined_phases({"train/acc": short, "train/acc_noisy": short}, Phases())
    assert found["onset"] == "noisy-fit accuracy is recorded at 4 epochs; 10 are needed"
    assert found["test_min"] == "test accuracy is not recorded"
    only_test = {"test/acc": Curve(np.arange(40), np.linspace(0, 0.5, 40))}
    assert undefined_phases(only_test, Phases())["fit"] == "training accuracy is not recorded"
    assert set(undefined_phases({"train/loss": short}, Phases()).values()) == {NOT_LOGGED}
    assert undefined_phases({}, Phases(onset=1, fit=2, test_min=3, test_peak=4)) == {}


def test_a_score_that_was_not_stored_is_told_from_one_that_is_undefined() -> None:
    scores = compute_scores(RUN, PHASES)
    del scores[ScoreKey("break_spread", "cka")]
    assert undefined_scores(RUN, PHASES, scores) == {ScoreKey("break_spread", "cka"): NOT_STORED}
