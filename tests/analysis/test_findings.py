"""Verdicts on runs whose differences are known."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from repdyn.analysis.drift import LAG, STEP, Drift
from repdyn.analysis.findings import (
    ALL_BREAK,
    CHANCE,
    Effect,
    Finding,
    Observation,
    differences,
    findings,
)
from repdyn.analysis.scores import fit_break
from repdyn.analysis.verdicts import MARGINS
from repdyn.measures.spec import MEASURES
from repdyn.score_key import ScoreKey

SCORES = ("fit_break", "synchrony", "break_spread", "fit_break_weakest_layer_rank", "depth_drift")


def run(
    family: str,
    optimizer: str,
    seed: int,
    noise: float = 0.15,
    data_seed: int | None = None,
    **scores: float,
) -> Observation:
    """Return a run with each score on every measure; left out scores are 0.

    Its data seed is its seed, as in a sweep.
    """
    values = {ScoreKey(n, m): scores.get(n, 0.0) for n in SCORES for m in MEASURES}
    settings = {
        "arch": {"vit": "vit_tiny", "resnet": "resnet18"}[family],
        "opt": optimizer,
        "lr": {"sgd": "0.1", "adam": "0.001"}[optimizer],
        "seed": str(seed),
        "data_seed": str(seed if data_seed is None else data_seed),
        "label_noise": str(noise),
    }
    return Observation(family, optimizer, settings, values, double_descent=noise > 0)


def grid(seeds: int, score: str, vit: float, sgd: float, jitter: float = 0.1) -> list[Observation]:
    """Return 2 × 2 × seeds runs whose score is raised by being a ViT and by SGD."""
    rng = np.random.default_rng(0)

    def raised(family: str, optimizer: str) -> dict[str, Any]:
        effects = vit * (family == "vit") + sgd * (optimizer == "sgd")
        return {score: effects + jitter * rng.normal()}

    return [
        run(f, o, s, **raised(f, o))
        for s in range(seeds)
        for f in ("vit", "resnet")
        for o in ("sgd", "adam")
    ]


def named(runs: Sequence[Observation], name: str) -> Finding:
    return next(finding for finding in findings(runs) if finding.name == name)


def effect_of(runs: Sequence[Observation], name: str) -> Effect:
    """Return the first effect of a finding."""
    return named(runs, name).effects[0]


def test_pairs_are_runs_that_agree_in_all_other_settings() -> None:
    runs = [run("vit", "sgd", s, fit_break=3 + s) for s in (0, 1)]
    runs += [run("resnet", "sgd", 0, fit_break=1), run("resnet", "adam", 1, fit_break=1)]
    assert differences(runs, "family", "vit", "resnet", ScoreKey("fit_break", "cka")) == {
        "0": [2.0]
    }


def test_runs_on_different_data_are_no_pair() -> None:
    runs = [run("vit", "sgd", 0, fit_break=3), run("resnet", "sgd", 0, data_seed=1)]
    assert differences(runs, "family", "vit", "resnet", ScoreKey("fit_break", "cka")) == {}


def test_of_several_runs_on_a_side_the_mean_counts() -> None:
    runs = [run("vit", "sgd", 0, fit_break=v) for v in (2, 4)] + [run("resnet", "sgd", 0)]
    assert differences(runs, "family", "vit", "resnet", ScoreKey("fit_break", "cka")) == {
        "0": [3.0]
    }


def test_a_run_without_the_score_pairs_with_none() -> None:
    runs = [run("vit", "sgd", 0, fit_break=math.nan), run("resnet", "sgd", 0)]
    assert differences(runs, "family", "vit", "resnet", ScoreKey("fit_break", "cka")) == {}


def test_seeds_are_in_the_order_of_their_numbers() -> None:
    runs = [run(f, "sgd", s) for s in (10, 9, 2) for f in ("vit", "resnet")]
    assert effect_of(runs, "phases by architecture").seeds == ("2", "9", "10")


def test_an_effect_is_scipys_interval_of_the_means_of_the_seeds_by_a_plain_loop() -> None:
    """Three optimizers, four seeds, one run missing: the seeds' means have unlike many pairs."""
    rng = np.random.default_rng(3)
    runs = [
        replace(
            run(f, "sgd", s, fit_break=rng.normal()),
            settings={**run(f, "sgd", s).settings, "opt": opt},
        )
        for s in range(4)
        for opt in ("sgd", "nesterov", "sgdw")
        for f in ("vit", "resnet")
    ][:-1]
    means = []
    for seed in range(4):
        of_seed = []
        for opt in ("sgd", "nesterov", "sgdw"):
            score = {
                r.family: r.scores[ScoreKey("fit_break", "cka")]
                for r in runs
                if r.settings["seed"] == str(seed) and r.settings["opt"] == opt
            }
            if len(score) == 2:
                of_seed.append(score["vit"] - score["resnet"])
        means.append(sum(of_seed) / len(of_seed))
    ends = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    bound = stats.ttest_1samp(means, 0, alternative="less").confidence_interval(0.975)
    found = effect_of(runs, "phases by architecture")
    assert found.values == pytest.approx(means)
    assert found.pairs == 11
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (np.mean(means), ends.low, ends.high)
    )
    assert found.upper == pytest.approx(bound.high)


def test_pairs_that_share_a_seed_are_one_value() -> None:
    """Six pairs that are sure of it as independent ones; as three seeds they are not."""
    runs = [
        run(f, o, s, fit_break=v * (f == "vit"))
        for s, v in enumerate((0.1, 1.0, 2.0))
        for o in ("sgd", "adam")
        for f in ("vit", "resnet")
    ]
    as_pairs = stats.ttest_1samp([0.1, 1.0, 2.0] * 2, 0).confidence_interval(0.95)
    found = effect_of(runs, "phases by architecture")
    assert as_pairs.low > 0 > found.low
    assert (len(found.seeds), found.pairs) == (3, 6)
    assert found.verdict == "undecided"
    apart = [
        replace(r, settings={**r.settings, "seed": f"{r.settings['seed']}{i % 4 // 2}"})
        for i, r in enumerate(runs)
    ]
    assert effect_of(apart, "phases by architecture").verdict == "supported"


def test_two_data_seeds_of_one_seed_are_one_value() -> None:
    runs = [run(f, "sgd", 0, data_seed=d, fit_break=d) for d in range(9) for f in ("vit", "resnet")]
    found = effect_of(runs, "phases by architecture")
    assert (found.seeds, found.pairs) == (("0",), 9)


def test_one_data_seed_for_all_seeds_is_a_value_a_seed() -> None:
    """As in sweeps from before the data seed went with the seed."""
    runs = [run(f, "sgd", s, data_seed=0) for s in range(4) for f in ("vit", "resnet")]
    assert len(effect_of(runs, "phases by architecture").values) == 4


@pytest.mark.parametrize(
    ("vit", "sgd", "by_family", "by_optimizer"),
    [
        (3, 3, "supported", "supported"),
        (3, -3, "supported", "refuted"),
        (-3, 3, "refuted", "supported"),
        (0, 0, "refuted", "refuted"),
    ],
)
def test_the_truth_is_found_with_enough_seeds(
    vit: float, sgd: float, by_family: str, by_optimizer: str
) -> None:
    runs = grid(8, "fit_break", vit, sgd)
    assert named(runs, "phases by architecture").verdict == by_family
    assert named(runs, "phases by optimizer").verdict == by_optimizer


def test_an_interval_that_holds_zero_refutes_nothing_by_itself() -> None:
    """Sixteen pairs of eight seeds that vary much: the old rule said that they tell against it."""
    runs = grid(8, "fit_break", 0.5, 0, jitter=2.0)
    finding = named(runs, "phases by architecture")
    assert all(effect.low < 0 < effect.high for effect in finding.effects)
    assert finding.verdict == "undecided"


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = grid(5, "synchrony", 0.1, 0.03)
    shuffled = [runs[i] for i in np.random.default_rng(1).permutation(len(runs))]
    assert repr(findings(shuffled)) == repr(findings(runs))  # NaN is not equal to NaN


def test_one_seed_is_undecided_however_large_the_effect() -> None:
    runs = [run("vit", "sgd", 0, fit_break=9), run("resnet", "sgd", 0)]
    runs += [run("vit", "adam", 0, fit_break=8), run("resnet", "adam", 0)]
    finding = named(runs, "phases by architecture")
    assert (finding.verdict, finding.seeds) == ("undecided", 1)
    assert math.isinf(finding.seeds_needed)


def test_no_runs_are_undecided() -> None:
    assert {finding.verdict for finding in findings([])} == {"undecided"}
    assert {finding.seeds for finding in findings([])} == {0}


def test_every_effect_has_a_margin_of_its_own_score() -> None:
    of_scores = {
        effect.score.score: effect.margin
        for finding in findings([])
        for effect in finding.effects
        if not effect.share
    }
    assert of_scores == dict(MARGINS)


def test_synchrony_needs_both_a_correlation_and_breaks_at_one_epoch() -> None:
    both = [
        run(f, "sgd", s, synchrony=v, break_spread=w)
        for s in range(4)
        for f, v, w in (("vit", 0.9 + 0.01 * s, 0.0), ("resnet", 0.5, 0.4 + 0.01 * s))
    ]
    assert named(both, "synchrony").verdict == "supported"
    scattered = [
        run(
            r.family,
            "sgd",
            int(r.settings["seed"]),
            synchrony=r.scores[ScoreKey("synchrony", "cka")],
        )
        for r in both
    ]
    assert named(scattered, "synchrony").verdict == "undecided"


def test_a_finding_whose_other_effects_hold_is_refuted_by_one() -> None:
    runs = [
        run(f, "sgd", s, synchrony=v, break_spread=w)
        for s in range(8)
        for f, v, w in (("vit", 0.9 + 0.01 * s, 0.4 + 0.01 * s), ("resnet", 0.5, 0.0))
    ]
    finding = named(runs, "synchrony")
    assert [effect.verdict for effect in finding.counted] == ["supported"] * 2 + ["refuted"] * 2
    assert finding.verdict == "refuted"


def test_a_finding_is_likely_decided_when_its_slowest_effect_is() -> None:
    rng = np.random.default_rng(5)
    runs = [
        run(f, "sgd", s, synchrony=(f == "vit") * rng.normal(0.5, 0.3), break_spread=w)
        for s in range(4)
        for f, w in (("vit", 0.0), ("resnet", 0.3 + rng.normal(0, 0.15)))
    ]
    finding = named(runs, "synchrony")
    assert finding.verdict == "undecided"
    assert finding.seeds_needed == max(effect.seeds_to_support for effect in finding.counted) > 4


ALL_BLOCKS = "fit in all blocks"


@pytest.mark.parametrize(
    ("seeds", "rank", "verdict"),
    [(3, 0.97, "undecided"), (4, 0.97, "supported"), (5, 0.4, "undecided"), (6, 0.4, "refuted")],
)
def test_every_block_must_break_in_every_run(seeds: int, rank: float, verdict: str) -> None:
    """By hand: all of n have .025^(1/n) as lower end, above .33 from 4 on; none has 1 less that as
    upper bound, below .5 from 6 on."""
    for optimizers in (("sgd",), ("sgd", "adam")):
        runs = [
            run("vit", o, s, fit_break_weakest_layer_rank=rank)
            for s in range(seeds)
            for o in optimizers
        ]
        assert named(runs, ALL_BLOCKS).verdict == verdict


def test_a_share_of_runs_is_that_of_the_seeds() -> None:
    """Five of six runs in three seeds: seeds' shares 1, 1 and .5, in the interval of 2.5 of 3."""
    runs = [
        run("vit", o, s, fit_break_weakest_layer_rank=0.97 if (o, s) != ("adam", 2) else 0.5)
        for s in range(3)
        for o in ("sgd", "adam")
    ]
    effect = effect_of(runs, ALL_BLOCKS)
    assert effect.values == (1, 1, 0.5)
    assert effect.pairs == 6
    assert (effect.estimate, effect.low, effect.high, effect.upper) == pytest.approx(
        (
            5 / 6,
            stats.beta.ppf(0.025, 2.5, 1.5),
            stats.beta.ppf(0.975, 3.5, 0.5),
            stats.beta.ppf(0.975, 3.5, 0.5),
        )
    )


UNTESTABLE = [
    ([], "there is no ViT run"),
    ([run("vit", "sgd", 0)], "there is no ResNet run"),
    ([run("vit", "sgd", 0), run("resnet", "sgd", 0, fit_break=math.nan)], "no ResNet run has it"),
    ([run("vit", "sgd", 0), run("resnet", "sgd", 1)], "the two sides differ in data_seed, seed"),
    (
        [run("vit", "sgd", 0, data_seed=7), run("resnet", "sgd", 0), run("resnet", "adam", 1)],
        "the two sides differ in data_seed",
    ),
    ([run("vit", "sgd", 0), run("resnet", "sgd", 0)], ""),
]


@pytest.mark.parametrize(("runs", "why"), UNTESTABLE)
def test_what_no_pair_can_tell_says_why(runs: list[Observation], why: str) -> None:
    assert effect_of(runs, "phases by architecture").untestable == why


def test_a_share_without_runs_says_why() -> None:
    assert effect_of([], ALL_BLOCKS).untestable == "there is no ViT run"
    unfit = [run("vit", "sgd", 0, fit_break_weakest_layer_rank=math.nan)]
    assert effect_of(unfit, ALL_BLOCKS).untestable == "no ViT run has it"


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
    assert effect.values == pytest.approx((0.7,) * 4)
    assert effect.pairs == 8
    only = [r for r in runs if r.double_descent == (r.family == "vit")]
    assert named(only, "depth and double descent").effects[0].values == ()


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
