"""Verdicts on runs whose differences are known."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from repdyn.dynamics.comparison import (
    ALL_BREAK,
    CHANCE,
    DECISIVE,
    Finding,
    Observation,
    differences,
    findings,
    interval,
    sign_test,
    verdict_of,
)
from repdyn.dynamics.drift import LAG, STEP, Drift
from repdyn.dynamics.scores import fit_break

SCORES = ("fit_break", "synchrony", "break_spread", "fit_break_least_rank", "depth_drift")


def run(family: str, optimizer: str, seed: int, noise: float = 0.15, **scores: float):
    """Return a run with each score on both kinds of similarity; left out scores are 0."""
    values = {f"{n}_{kind}": scores.get(n, 0.0) for n in SCORES for kind in ("cka", "regions")}
    settings = {
        "arch": {"vit": "vit_tiny", "resnet": "resnet18"}[family],
        "opt": optimizer,
        "lr": {"sgd": "0.1", "adam": "0.001"}[optimizer],
        "seed": str(seed),
        "label_noise": str(noise),
    }
    return Observation(family, optimizer, settings, values, double_descent=noise > 0)


def grid(seeds: int, score: str, vit: float, sgd: float, jitter: float = 0.1) -> list[Observation]:
    """Return 2 × 2 × seeds runs whose score is raised by being a ViT and by SGD."""
    rng = np.random.default_rng(0)
    return [
        run(f, o, s, **{score: vit * (f == "vit") + sgd * (o == "sgd") + jitter * rng.normal()})
        for s in range(seeds)
        for f in ("vit", "resnet")
        for o in ("sgd", "adam")
    ]


def named(runs: Sequence[Observation], name: str) -> Finding:
    return next(finding for finding in findings(runs) if finding.name == name)


def test_pairs_are_runs_that_agree_in_all_other_settings() -> None:
    runs = [run("vit", "sgd", s, fit_break=3 + s) for s in (0, 1)]
    runs += [run("resnet", "sgd", 0, fit_break=1), run("resnet", "adam", 1, fit_break=1)]
    assert differences(runs, "family", "vit", "resnet", "fit_break_cka") == (2.0,)


def test_of_several_runs_on_a_side_the_mean_counts() -> None:
    runs = [run("vit", "sgd", 0, fit_break=v) for v in (2, 4)] + [run("resnet", "sgd", 0)]
    assert differences(runs, "family", "vit", "resnet", "fit_break_cka") == (3.0,)


def test_a_run_without_the_score_pairs_with_none() -> None:
    runs = [run("vit", "sgd", 0, fit_break=math.nan), run("resnet", "sgd", 0)]
    assert differences(runs, "family", "vit", "resnet", "fit_break_cka") == ()


@pytest.mark.parametrize(
    ("vit", "sgd", "by_family", "by_optimizer"),
    [
        (3, 3, "supported", "supported"),
        (3, -3, "supported", "not supported"),
        (-3, 3, "not supported", "supported"),
        (0, 0, "not supported", "not supported"),
    ],
)
def test_the_truth_is_found_with_enough_pairs(
    vit: float, sgd: float, by_family: str, by_optimizer: str
) -> None:
    runs = grid(5, "fit_break", vit, sgd)
    assert named(runs, "phases by architecture").verdict == by_family
    assert named(runs, "phases by optimizer").verdict == by_optimizer


def test_no_difference_in_few_pairs_is_undecided() -> None:
    assert named(grid(1, "fit_break", 0, 0), "phases by architecture").verdict == "undecided"


def test_one_seed_is_undecided_however_large_the_effect() -> None:
    runs = [run("vit", "sgd", 0, fit_break=9), run("resnet", "sgd", 0)]
    assert named(runs, "phases by architecture").verdict == "undecided"


def test_no_runs_are_undecided() -> None:
    assert {finding.verdict for finding in findings([])} == {"undecided"}


def test_synchrony_needs_both_a_correlation_and_breaks_at_one_epoch() -> None:
    both = [
        run(f, "sgd", s, synchrony=v, break_spread=w)
        for s in range(4)
        for f, v, w in (("vit", 0.9 + 0.01 * s, 0.0), ("resnet", 0.5, 0.4 + 0.01 * s))
    ]
    assert named(both, "synchrony").verdict == "supported"
    scattered = [
        run(r.family, "sgd", int(r.settings["seed"]), synchrony=r.scores["synchrony_cka"])
        for r in both
    ]
    assert named(scattered, "synchrony").verdict == "undecided"


def test_every_block_must_break_in_every_run() -> None:
    least = "fit_break_least_rank"
    name = "fit in all blocks"
    assert named([run("vit", "sgd", s, **{least: 0.97}) for s in range(4)], name).verdict == (
        "supported"
    )
    assert named([run("vit", "sgd", s, **{least: 0.4}) for s in range(8)], name).verdict == (
        "not supported"
    )


def test_depth_is_compared_between_runs_of_one_architecture() -> None:
    """Of each architecture some runs descend twice; between architectures nothing is compared."""
    runs = [
        run(
            f,
            "sgd",
            s,
            noise,
            depth_drift=(f == "vit") + 0.7 * (noise > 0) + 0.01 * s * (f == "vit"),
        )
        for f in ("vit", "resnet")
        for s in range(4)
        for noise in (0.0, 0.2)
    ]
    effect = named(runs, "depth and double descent").effects[0]
    assert effect.values == pytest.approx((0.7, 0.7))
    only = [r for r in runs if r.double_descent == (r.family == "vit")]
    assert named(only, "depth and double descent").effects[0].values == ()


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12).filter(lambda v: np.std(v) > 1e-3))
def test_the_interval_is_scipys(values: list[float]) -> None:
    ends = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((np.mean(values), ends.low, ends.high))


def test_the_sign_test_counts_heads() -> None:
    assert sign_test([1, 2, 3]) == pytest.approx(1 / 8)
    assert sign_test([1, 2, -3, 0]) == pytest.approx(4 / 8)
    assert math.isnan(sign_test([0.0]))


def test_an_interval_that_holds_zero_counts_against_a_claim_from_decisive_pairs_on() -> None:
    assert verdict_of(-1, 1, DECISIVE - 1) == "undecided"
    assert verdict_of(-1, 1, DECISIVE) == "not supported"


def test_a_few_differences_that_are_all_alike_decide_nothing() -> None:
    assert verdict_of(0.2, 0.2, DECISIVE - 1) == "undecided"
    assert verdict_of(0.2, 0.2, DECISIVE) == "supported"


def test_a_fit_like_other_epochs_is_taken_for_a_break_about_as_often_as_chance_says() -> None:
    tau = np.arange(LAG / 2, np.log(200) - LAG / 2, STEP)
    rng = np.random.default_rng(0)
    ranks = []
    for _ in range(400):
        noise = gaussian_filter1d(rng.normal(size=3 * len(tau)), 0.3 / STEP)
        log_rate = np.cumsum(noise)[len(tau) : 2 * len(tau)]
        scaled = 2 * (log_rate - log_rate.mean()) / log_rate.std() - 8
        fit = float(np.log(rng.uniform(30, 60)))
        ranks.append(fit_break(Drift(tau, 2.0 ** scaled[None]), fit)[1])
    assert 1 - ALL_BREAK < np.mean(np.array(ranks) >= ALL_BREAK) <= CHANCE
