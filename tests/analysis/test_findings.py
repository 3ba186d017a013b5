"""Verdicts on runs whose differences are known."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from repdyn.analysis.effects import DEFAULT_RATES, EQUAL_FIT, Effect
from repdyn.analysis.findings import Finding, findings, findings_without_falls
from repdyn.analysis.pairs import Observation, differences
from repdyn.analysis.verdicts import MARGINS, NO_DIFFERENCE, REFUTED, SUPPORTED, UNDECIDED
from repdyn.measures.spec import MEASURES, PRIMARY
from repdyn.score_key import ScoreKey

SCORES = (*MARGINS, "fit_break_weakest_layer_rank", "all_break_chance")


def run(
    family: str,
    optimizer: str,
    seed: int,
    noise: float = 0.15,
    data_seed: int | None = None,
    fit: int | None = 30,
    factor: str = "None",
    **scores: float,
) -> Observation:
    """Return a run with each score on every measure; left out scores are 0.

    Its data seed is its seed, as in a sweep.
    """
    values = {ScoreKey(n, m): scores.get(n, 0.0) for n in SCORES for m in MEASURES}
    settings = {
        "arch": {"vit": "vit_tiny", "resnet": "resnet18"}[family],
        "opt": optimizer,
        "lr": {"sgd": "0.1", "adam": "0.001"}[optimizer] + factor.replace("None", ""),
        "lr_factor": factor,
        "seed": str(seed),
        "data_seed": str(seed if data_seed is None else data_seed),
        "label_noise": str(noise),
    }
    return Observation(family, optimizer, settings, values, double_descent=noise > 0, fit=fit)


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
    found = effect_of(runs, "phases by architecture")
    assert found.values == pytest.approx(means)
    assert found.pairs == 11
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (np.mean(means), ends.low, ends.high)
    )
    assert found.level == 0.95


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
        (3, 3, SUPPORTED, SUPPORTED),
        (3, -3, SUPPORTED, REFUTED),
        (-3, 3, REFUTED, SUPPORTED),
        (0, 0, NO_DIFFERENCE, NO_DIFFERENCE),
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
    open_ones = [effect for effect in finding.counted if effect.verdict == UNDECIDED]
    assert all(effect.estimate > effect.margin for effect in open_ones)
    assert finding.seeds_needed == max(effect.seeds_needed for effect in open_ones) > 4


def test_a_finding_is_decided_as_soon_as_one_effect_is_against_it() -> None:
    """The seeds' correlations differ by 1, 0 and 0, so they lean to the claim; the spreads do not."""
    runs = [
        run(f, "sgd", s, synchrony=(f == "vit") * (s == 0), break_spread=w)
        for s in range(3)
        for f, w in (("vit", 0.0), ("resnet", (-0.3, 0.0, 0.3)[s]))
    ]
    finding = named(runs, "synchrony")
    needed = {effect.score.score: effect.seeds_needed for effect in finding.counted}
    assert finding.verdict == UNDECIDED
    assert 3 < needed["synchrony"] < needed["break_spread"] == finding.seeds_needed


ALL_BLOCKS = "fit in all blocks"


@pytest.mark.parametrize(
    ("seeds", "rank", "verdict"),
    [(3, 0.97, "undecided"), (4, 0.97, "supported"), (5, 0.4, "undecided"), (6, 0.4, "refuted")],
)
def test_every_block_must_break_in_every_run(seeds: int, rank: float, verdict: str) -> None:
    """By hand: all of n have .025^(1/n) as lower end, above .33 from 4 on; none has 1 less that as
    upper end, below .5 from 6 on."""
    for optimizers in (("sgd",), ("sgd", "adam")):
        runs = [
            run("vit", o, s, fit_break_weakest_layer_rank=rank, all_break_chance=0.33)
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
    assert (effect.estimate, effect.low, effect.high) == pytest.approx(
        (5 / 6, stats.beta.ppf(0.025, 2.5, 1.5), stats.beta.ppf(0.975, 3.5, 0.5))
    )


def test_a_share_is_compared_with_the_chance_of_its_own_runs() -> None:
    """All of three seeds have .292 as lower end: more than .25 by chance, but not than .35."""
    for chances, verdict in (((0.2, 0.2, 0.35), SUPPORTED), ((0.2, 0.2, 0.65), UNDECIDED)):
        runs = [
            run("vit", "sgd", s, fit_break_weakest_layer_rank=0.97, all_break_chance=chance)
            for s, chance in enumerate(chances)
        ]
        effect = effect_of(runs, ALL_BLOCKS)
        assert effect.null == pytest.approx(sum(chances) / 3)
        assert effect.verdict == verdict


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


RETURN = "return of the first layer"


def test_the_return_of_the_first_layer_is_judged_by_the_measure_of_the_claim() -> None:
    runs = [
        run(f, o, s, first_layer_return=(o == "adam") * (1 + 0.05 * s))
        for f in ("vit", "resnet")
        for o in ("sgd", "adam")
        for s in range(3)
    ]
    finding = named(runs, RETURN)
    (effect,) = finding.counted
    assert effect.score == ScoreKey("first_layer_return", PRIMARY.name)
    assert effect.values == pytest.approx((1.0, 1.05, 1.1))
    assert finding.verdict == SUPPORTED


def swept(seeds: int, effect: float = 0.0, late: int = 2) -> list[Observation]:
    """Return SGD and Adam at three rates; the score is the log of the epoch of perfect fit, and more
    by SGD by an effect; SGD fits late by a factor."""
    return [
        run(
            "vit",
            opt,
            seed,
            fit=epoch * (late if opt == "sgd" else 1),
            factor=factor,
            fit_break=math.log(epoch * (late if opt == "sgd" else 1))
            + effect * (opt == "sgd")
            + 0.01 * seed * (opt == "sgd"),
        )
        for seed in range(seeds)
        for opt in ("sgd", "adam")
        for factor, epoch in (("0.3", 90), ("1", 30), ("3", 10))
    ]


def test_with_several_rates_the_comparison_of_record_is_at_equal_fit() -> None:
    """By construction the optimizers are equal at equal fit, and differ by ln 2 at default rates."""
    finding = named(swept(4), "phases by optimizer")
    record, beside = finding.effects[:2]
    assert (record.basis, record.counted) == (EQUAL_FIT, True)
    assert (beside.basis, beside.counted) == (DEFAULT_RATES, False)
    assert record.values == pytest.approx([0.01 * s for s in range(4)])
    assert beside.values == pytest.approx([math.log(2) + 0.01 * s for s in range(4)])
    assert (record.verdict, beside.verdict) == (NO_DIFFERENCE, SUPPORTED)
    assert finding.verdict == NO_DIFFERENCE
    assert named(swept(4, effect=2), "phases by optimizer").verdict == SUPPORTED


def test_runs_without_a_fit_are_left_out_of_equal_fit_and_counted() -> None:
    runs = swept(4)
    runs[0] = replace(runs[0], fit=None)
    record = named(runs, "phases by optimizer").effects[0]
    assert (record.left_out, record.pairs) == (1, 4)


def test_sides_that_never_fit_at_one_epoch_say_so() -> None:
    record = named(swept(4, late=10), "phases by optimizer").effects[0]
    assert record.untestable == "the two sides have no epoch of perfect fit in common"
    assert record.verdict == UNDECIDED
    unfit = [replace(r, fit=None) for r in swept(4) if r.optimizer == "sgd"]
    unfit += [r for r in swept(4) if r.optimizer == "adam"]
    record = named(unfit, "phases by optimizer").effects[0]
    assert record.untestable == "of runs with a perfect fit: there is no SGD run"


def test_one_rate_each_is_compared_as_it_is() -> None:
    effects = named(grid(4, "fit_break", 1, 1), "phases by optimizer").effects
    assert len(effects) == sum(one.of_paper for one in MEASURES.values())
    assert {(effect.basis, effect.counted) for effect in effects} == {("", True)}


def test_a_verdict_that_hangs_on_runs_that_fall_back_is_told_apart() -> None:
    runs = grid(6, "fit_break", vit=2.0, sgd=0.0)
    fallen = [replace(one, falls=one.optimizer == "adam" and one.seed in "012") for one in runs]
    lowered = [
        replace(one, scores={key: value - 3 * one.falls for key, value in one.scores.items()})
        for one in fallen
    ]
    by_optimizer = findings(lowered)[1]
    assert by_optimizer.effects[0].estimate > 1
    staying = findings_without_falls(lowered)
    assert list(staying) == [finding.name for finding in findings(runs)]
    kept = [one for one in runs if not (one.optimizer == "adam" and one.seed in "012")]
    assert staying[by_optimizer.name] == findings(kept)[1]
    assert abs(staying[by_optimizer.name].effects[0].estimate) < 0.2
    assert findings_without_falls(runs) == {}
