"""Comparisons as text, page, figures and numbers, of made-up runs."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import Finding, findings, findings_without_falls
from repdyn.analysis.pairs import Observation
from repdyn.analysis.scores import MEANINGS
from repdyn.analysis.verdicts import Verdict
from repdyn.display.wording import key_words, label, score_words
from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES
from repdyn.records import Dynamics, Phases, RunRecord
from repdyn.report.comparison import (
    FITTED,
    SPIKY,
    Comparison,
    CrossCka,
    based_on,
    contrast_words,
    counts,
    effect_words,
    finding_words,
    groups,
    holds,
    interval,
    numbers,
    spread,
    staying_words,
)
from repdyn.report.comparison_json import as_json
from repdyn.report.comparison_text import comparison_text
from repdyn.report.figures import png
from repdyn.report.figures.comparison import SCORES, comparison_figures
from repdyn.report.figures.drift import UNRESOLVED, rates_over_seeds
from repdyn.report.page import page
from repdyn.report.runs_csv import as_csv
from repdyn.runs.comparison import _order, notes, observation, varied_settings
from repdyn.runs.cross import different_probes
from repdyn.runs.crossed_pairs import optimizer_pair
from repdyn.score_key import ScoreKey
from tests.report.test_text import printed
from tests.support import synthetic

RECORD = synthetic.run(count=20)[0]
FAMILIES = {"resnet18": "resnet", "vit_tiny_patch16_224": "vit"}
EFFECTS = [ScoreKey(name, measure) for name in MEANINGS for measure in MEASURES]
HOSTILE = "<script>alert(1)</script>[red]\x1b[2J"


def record(arch: str, opt: str, seed: int, **changes: Any) -> RunRecord:
    params = dict(RECORD.summary.params) | {
        "arch": arch,
        "opt": opt,
        "seed": str(seed),
        "data_seed": str(seed),
        "lr": {"sgd": "0.1", "adam": "0.001"}[opt],
    }
    summary = synthetic.summary(
        run_id=f"{arch}{opt}{seed}", name=f"{arch[:6]}-{opt}-s{seed}", params=params
    )
    value = (arch != "resnet18") * (1.99 + 0.02 * seed) + 0.1 * seed
    scores = {ScoreKey(n, m): value for n in ("fit_break", "synchrony") for m in MEASURES}
    return replace(RECORD, summary=replace(summary, **changes), scores=scores)


def comparison(*, seeds: int = 2, title: str = "sweep digits") -> Comparison:
    runs = tuple(
        record(arch, opt, s) for s in range(seeds) for arch in FAMILIES for opt in ("sgd", "adam")
    )
    seen = [
        Observation(
            FAMILIES[run.summary.params["arch"]],
            run.summary.params["opt"],
            run.summary.params,
            run.scores,
            double_descent=True,
        )
        for run in runs
    ]
    layers = synthetic.RESNET18
    values = np.random.default_rng(0).random((3, len(layers), len(layers)))
    cross = CrossCka(("a", "b"), (layers, layers), np.array([0, 1, 200]), values)
    return Comparison(title, runs, findings(seen), ("arch", "opt"), (cross,), ("Beware.",))


def test_groups_are_runs_that_differ_in_their_seed_only() -> None:
    found = groups(comparison(seeds=3))
    assert [(group.label, len(group.runs)) for group in found] == [
        ("resnet18 sgd", 3),
        ("resnet18 adam", 3),
        ("vit_tiny sgd", 3),
        ("vit_tiny adam", 3),
    ]


def test_of_several_runs_the_mean_and_the_ends_are_shown() -> None:
    assert spread([1.0, 3.0, 2.0], 1, 3) == "2.0 (1.0–3.0)"
    assert spread([2.0], 2, 1) == "2.00"
    assert spread([], 2, 3) == "–"
    assert spread([1.0, 3.0], 0, 6) == "2 (1–3), 2 of 6", "others do not have it"
    assert spread([2.0], 0, 6) == "2, 1 of 6"


def test_an_effect_is_shown_with_its_interval() -> None:
    (effect, _) = comparison(seeds=2).findings[0].effects
    # two seeds, 1.99 and 2.01: t(.975; 1) = 12.7, s / √2 = .01
    assert numbers(effect) == "+2.00 [1.87, 2.13]"
    assert counts(effect) == "2 seeds, 4 pairs"


def test_a_finding_is_told_with_the_similarities_under_which_it_holds() -> None:
    found = comparison()
    name = found.findings[0].name

    def told(**verdicts: Verdict) -> str:
        return holds(replace(found, by_similarity={name: verdicts}), found.findings[0])

    assert told(cka="supported", knn="supported") == "holds under 2 of 2 similarities"
    said = "holds under 1 of 4 similarities (undecided: regions, RSA; refuted: k-NN)"
    verdicts: dict[str, Verdict] = {
        "cka": "supported",
        "regions": "undecided",
        "knn": "refuted",
        "rsa": "undecided",
    }
    assert told(**verdicts) == said
    assert told(cka="supported") == holds(found, found.findings[0]) == ""
    shown = replace(found, by_similarity={name: verdicts})
    assert said in printed(comparison_text(shown, 120))
    assert said in page(shown, {})
    (first, *_) = json.loads(as_json(shown))["findings"]
    assert first["by_similarity"] == {name: verdicts.get(name) for name in MEASURES}


def test_every_measure_is_drawn_in_its_own_style_and_told_in_the_legend() -> None:
    drawn = comparison_figures(comparison())["scores"]
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        one.long_label for one in MEASURES.values()
    ]
    assert len({(line.get_color(), line.get_marker()) for line in legend.get_lines()}) == len(
        MEASURES
    )


def effect_of(*values: float) -> Effect:
    """Return the first effect of runs whose family makes these differences, a seed each."""
    runs = [
        Observation(
            f, "sgd", {"seed": str(s)}, {ScoreKey("fit_break", "cka"): v * (f == "vit")}, False
        )
        for s, v in enumerate(values)
        for f in ("vit", "resnet")
    ]
    return findings(runs)[0].effects[0]


def test_a_verdict_is_told_with_what_it_comes_from() -> None:
    refuted = effect_of(-1.0, -1.1, -0.9)
    assert effect_words(refuted) == "refuted (0.25 would matter)"
    assert refuted.high < refuted.margin
    assert effect_words(effect_of(0.1, 0.11, 0.1)) == "no difference of note (0.25 would matter)"
    assert effect_words(effect_of(1.0, 1.1, 0.9)) == "supported"
    assert effect_words(replace(refuted, counted=False)) == "not counted"
    opened = effect_of(1.0, 3.0, 0.1)
    assert effect_words(opened) == f"undecided (≈ {opened.seeds_needed:.0f} seeds)"
    assert effect_words(effect_of(1.0)) == "undecided"
    alike = effect_of(1.0, 1.0, 1.0)
    assert effect_words(alike) == "undecided (equal values; 6 seeds would decide)"
    assert numbers(alike) == "+1.00"


def test_an_interval_of_another_level_says_so() -> None:
    two = effect_of(1.99, 2.01)
    assert numbers(replace(two, level=0.975)) == "+2.00 [1.87, 2.13] (97.5 %)"


def test_a_finding_is_told_as_its_effects_are() -> None:
    opened, untestable = effect_of(1.0, 3.0, 0.1), effect_of()
    needed = f"about {opened.seeds_needed:.0f} would decide"
    assert finding_words(Finding("", "", (opened, opened))) == f"undecided (3 seeds; {needed})"
    alone = Finding("", "", (effect_of(1.0),))
    assert finding_words(alone) == "undecided (1 seed; a verdict needs more)"
    far = Finding("", "", (effect_of(0.12, 9.0, -8.7),))
    assert finding_words(far) == "undecided (3 seeds; it would take more than 50)"
    assert finding_words(Finding("", "", (untestable,))) == "undecided (not testable)"
    part = Finding("", "", (effect_of(1.0, 1.1, 0.9), untestable))
    assert finding_words(part) == "undecided (in part not testable)"
    small = Finding("", "", (effect_of(0.1, 0.11, 0.1),))
    assert finding_words(small) == "no difference of note"


def swept() -> Comparison:
    """Return a comparison of two optimizers at two rates each; one run has no perfect fit."""
    score = ScoreKey("fit_break", "cka")
    seen = [
        Observation(
            "vit",
            opt,
            {"opt": opt, "lr": f"{rate}{opt}", "lr_factor": factor, "seed": str(seed)},
            {score: float(seed)},
            double_descent=False,
            fit=None if (opt, rate, seed) == ("sgd", 3, 0) else 10 * rate,
        )
        for seed in range(3)
        for opt in ("sgd", "adam")
        for rate, factor in ((1, "1"), (3, "3"), (9, "0.3"))
    ]
    return replace(comparison(), findings=findings(seen)[1:2])


def test_the_comparison_at_equal_fit_stands_beside_that_at_default_rates() -> None:
    record, beside = (effect for effect in swept().findings[0].effects if effect.values)
    assert contrast_words(record) == "SGD − Adam, equal fit"
    assert contrast_words(beside) == "SGD − Adam, default rates"
    assert counts(record) == "3 seeds, 3 pairs; 1 run without fit"
    assert effect_words(beside) == "not counted"
    said = " ".join(printed(comparison_text(swept(), 200), 200).split())
    html = page(swept(), {}).replace("<wbr>", "")
    for shown in (said, html):
        assert "SGD − Adam, equal fit" in shown
        assert "1 run without fit" in shown
    assert "fit break (regions) at equal fit, fit break (regions) at default rates" in said


def test_runs_without_a_fit_and_with_spikes_are_counted_in_every_group() -> None:
    made = comparison(seeds=3)
    runs = (
        replace(made.runs[0], phases=Phases(fit=3, spikes=(9,))),
        replace(made.runs[4], phases=Phases()),
        *made.runs[1:4],
        *made.runs[5:],
    )
    made = replace(made, runs=runs)
    group = groups(made)[0]
    assert group.states() == {FITTED: "2 of 3", SPIKY: "1 of 3"}
    said = printed(comparison_text(made, 120), 120)
    for shown in (said, page(made, {})):
        assert FITTED in shown
        assert "2 of 3" in shown
    bare = [replace(run, curves={}) for run in group.runs]
    assert replace(group, runs=tuple(bare)).states() == group.states(), "the last value tells"
    unknown = [replace(run, summary=replace(run.summary, metrics={})) for run in bare]
    assert replace(group, runs=tuple(unknown)).states() == {}


def test_findings_are_told_without_the_runs_that_fall_back() -> None:
    made = comparison(seeds=3)
    staying = findings_without_falls(
        [Observation("vit", "sgd", {"seed": "0"}, {}, double_descent=False, falls=True)]
    )
    assert staying.keys() == {finding.name for finding in made.findings}
    fallen = replace(made.runs[0], phases=Phases(fit=3, spikes=(9,)))
    other = finding_words(staying[made.findings[0].name])
    for runs, said in (
        ((fallen, *made.runs[1:]), "without the run that falls back from perfect fit: "),
        ((fallen, fallen, *made.runs[2:]), "without the 2 runs that fall back from perfect fit: "),
    ):
        shown = replace(made, runs=runs, without_falls=staying)
        assert staying_words(shown, shown.findings[0]) == said + other
        assert said + other in printed(comparison_text(shown, 200), 200)
        assert said + other in page(shown, {})
        alone = json.loads(as_json(shown))["findings"][0]["without_falls"]
        assert alone["verdict"] == "undecided" != shown.findings[0].verdict
        assert len(alone["effects"]) == 2
    untested = Finding(made.findings[0].name, "a claim", ())
    assert staying_words(shown, untested) == staying_words(made, made.findings[0]) == ""
    assert json.loads(as_json(made))["findings"][0]["without_falls"] is None


def test_a_share_is_told_with_the_share_by_chance() -> None:
    keys = ("fit_break_weakest_layer_rank", "all_break_chance")
    runs = [
        Observation(
            "vit",
            "sgd",
            {"seed": str(seed)},
            {ScoreKey(name, "cka"): value for name, value in zip(keys, (0.95, 0.2), strict=True)},
            double_descent=False,
        )
        for seed in range(4)
    ]
    effect = findings(runs)[3].effects[0]
    assert contrast_words(effect) == "ViT runs with every layer above 0.9, 0.20 by chance"
    assert numbers(effect) == "1.00 [0.40, 1.00]"
    assert effect_words(effect) == "supported"


def test_scores_of_effects_are_told_whole_in_a_usual_terminal() -> None:
    everything = findings(
        [
            Observation(
                f, o, {"arch": f, "seed": s}, dict.fromkeys(EFFECTS, 0.95), double_descent=d
            )
            for f, d in (("vit", True), ("resnet", False))
            for o in ("sgd", "adam")
            for s in "01"
        ]
    )
    said = printed(comparison_text(replace(comparison(), findings=everything), 80), 80)
    lines = said.splitlines()
    for finding in everything:
        at = next(i for i, line in enumerate(lines) if finding.claim[:40] in line)
        for effect in (one for one in finding.effects if one.values):
            head = f"  {score_words(effect.score.score)}, {effect.contrast}"
            below = lines.index(next(line for line in lines[at:] if line.startswith(head)), at)
            start = f"    {label(effect.score.measure)} "
            row = next(line for line in lines[below:] if line.startswith(start))
            assert interval(effect) in row
            assert based_on(effect) in row
            assert effect_words(effect).partition(" (")[0] in row  # the rest may be below


def test_an_effect_stays_on_one_line_of_a_usual_terminal() -> None:
    key = ScoreKey("fit_break_weakest_layer_rank", "regions")
    share = replace(
        effect_of(1.0),
        score=key,
        share=True,
        estimate=1.0,
        low=0.54,
        high=1.0,
        null=0.26,
        pairs=12,
        values=(1.0,) * 6,
        seeds=tuple("012345"),
        verdict="undecided",
        seeds_needed=12.0,
        contrast="ResNet runs with every layer above 0.9",
    )
    found = replace(comparison(), findings=(Finding("", "a claim", (share,)),))
    lines = [line.rstrip() for line in printed(comparison_text(found, 80), 80).splitlines()]
    assert (
        f"    regions  1.00 [0.54, 1.00] vs 0.26  6 seeds, 12 runs  {effect_words(share)}" in lines
    )
    assert any(line.endswith("above 0.9 vs chance") for line in lines)


@pytest.mark.parametrize("verdict", ["refuted", "no difference of note"])
def test_a_verdict_against_a_claim_does_too(verdict: Verdict) -> None:
    one = replace(effect_of(-0.05), low=-0.13, high=0.02, verdict=verdict, pairs=12)
    effect = replace(one, values=(-0.05,) * 6, seeds=tuple("012345"))
    found = replace(comparison(), findings=(Finding("", "a claim", (effect,)),))
    lines = [line.rstrip() for line in printed(comparison_text(found, 80), 80).splitlines()]
    assert f"    CKA  {interval(effect)}  6 seeds, 12 pairs  {verdict}" in lines
    assert any(line.endswith("; 0.25 would matter") for line in lines)


def test_what_is_not_testable_is_told_once_with_the_reason() -> None:
    missing = replace(effect_of(), untestable="there is no Adam run")
    told = Finding("", "another claim", (effect_of(1.0),))
    found = replace(comparison(), findings=(told, Finding("", "a claim", (missing,))))
    said = " ".join(printed(comparison_text(found, 80), 80).split())
    assert said.count("not testable") == 1
    assert "(there is no Adam run)" in said


def test_the_scores_that_judge_no_finding_are_shown_on_request() -> None:
    found = comparison()
    run = found.runs[0]
    key = ScoreKey("change_spread", "cka")
    found = replace(found, runs=(replace(run, scores={**run.scores, key: 0.5}), *found.runs[1:]))
    usual, whole = (
        printed(comparison_text(found, 120, scores=scores), 120) for scores in (False, True)
    )
    assert key_words(key) not in usual
    assert "--scores" in usual
    assert key_words(key) in whole
    assert "--scores" not in whole


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for seeds in (1, 3):
        shown = comparison_text(comparison(seeds=seeds), width)
        assert max(map(len, printed(shown, width).splitlines())) <= width


def test_text_tells_verdicts_and_notes() -> None:
    said = printed(comparison_text(comparison(), 120), 120)
    assert "supported  Phases are more distinguishable in ViT than in ResNet." in said
    assert "undecided  Phases are more distinguishable with SGD than with Adam.\n" in said
    assert "\n  2 seeds; " in said
    assert "Beware." in said


def test_layers_of_two_runs_are_compared_at_an_epoch_that_both_have() -> None:
    two = replace(comparison(), runs=comparison().runs[:2])
    assert "CKA between layers at epoch 1:" in printed(comparison_text(two, 120, 1))
    with pytest.raises(UserError, match="0, 1, 200"):
        comparison_text(two, 120, 7)


def test_the_page_shows_the_text_of_others_as_it_is() -> None:
    hostile = comparison(title=HOSTILE)
    html = page(hostile, {})
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[red][2J" in html


def test_the_page_has_a_card_for_each_finding() -> None:
    html = page(comparison(), {})
    assert len(re.findall("<article class=", html)) == len(comparison().findings)
    assert html.count('<article class="yes">') == 1


def test_the_page_tells_the_rule_for_shares_of_runs_too() -> None:
    assert "the share of phase-randomised copies of the runs instead of 0" in page(comparison(), {})
    assert "break at perfect fit 0.25" in page(comparison(), {})


def test_the_words_of_the_replaced_rule_are_gone() -> None:
    made = comparison(seeds=6)
    for shown in (printed(comparison_text(made, 120), 120), page(made, {}), as_json(made)):
        assert "not supported" not in shown
        assert "sign test" not in shown


def test_figures_are_drawn_for_all_that_is_there() -> None:
    drawn = comparison_figures(comparison())
    assert set(drawn) == {"scores", "drift", "cross_cka"}
    assert all(png(figure).startswith(b"\x89PNG") for figure in drawn.values())
    assert "cross_cka" not in comparison_figures(replace(comparison(), cross=()))


def test_a_score_that_no_run_has_is_not_drawn() -> None:
    made = comparison()
    have = {key.score for run in made.runs for key in run.scores}
    panels = [axes for axes in comparison_figures(made)["scores"].axes if axes.get_visible()]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == [title for stem, title in SCORES.items() if stem in have]
    assert all(axes.lines for axes in panels)


def test_a_wide_figure_scrolls_in_the_page_and_not_the_page_with_it() -> None:
    html = page(comparison(), {"scores": b"png", "drift": b"png"})
    assert html.count('<figure><div class="wide"><img ') == 2
    assert html.count("Scroll the figure sideways") == 2


def test_names_in_tables_may_be_divided_between_their_words() -> None:
    assert "<th>vit_<wbr>tiny sgd</th>" in page(comparison(), {})


def test_a_claim_without_a_pair_says_why_in_text_and_page() -> None:
    """Both runs have the score, and do not share their data."""
    apart = [
        Observation(
            f, "sgd", {"seed": "0", "data_seed": d}, {ScoreKey("fit_break", "cka"): 1.0}, False
        )
        for f, d in (("vit", "0"), ("resnet", "1"))
    ]
    seen = replace(comparison(), findings=(findings(apart)[0], comparison().findings[0]))
    why = "not testable: no matched pair has this score (the two sides differ in data_seed)"
    none = "not testable: no matched pair has this score (no ViT run has it)"
    said = printed(comparison_text(seen, 160), 160)
    html = page(seen, {}).replace("<wbr>", "")
    for shown in (said, html):
        assert why in shown
        assert none in shown
        assert "no runs here" not in shown
    assert "undecided (not testable)" in html
    assert "\n  not testable\n" not in said  # the reasons say so


def test_scores_without_a_pair_are_told_in_one_line_of_a_usual_terminal() -> None:
    said = printed(comparison_text(comparison(seeds=3), 80), 80)
    untestable = " ".join(said.split())
    assert (
        "break spread (CKA), break spread (regions): not testable: no matched pair has this score "
        "(no ResNet run has it)"
    ) in untestable


def test_a_share_without_runs_speaks_of_runs() -> None:
    seen = replace(comparison(), findings=(*comparison().findings[:1], findings([])[3]))
    why = "not testable: no run has this score (there is no ViT run)"
    assert why in printed(comparison_text(seen, 160), 160)
    assert why in page(seen, {})


def test_json_and_csv_hold_the_numbers() -> None:
    found = json.loads(as_json(comparison()))
    assert found["findings"][0]["verdict"] == "supported"
    assert found["findings"][0]["seeds"] == 2
    effect = found["findings"][0]["effects"][0]
    assert effect["seeds"] == ["0", "1"]
    assert effect["values"] == pytest.approx([1.99, 2.01])
    assert effect["pairs"] == 4
    assert effect["margin"] == 0.25
    assert effect["level"] == 0.95
    assert effect["high"] > effect["estimate"]
    assert found["findings"][4]["seeds_needed"] is None
    assert np.shape(found["cross"][0]["values"]) == (3, 10, 10)
    rows = list(csv.DictReader(io.StringIO(as_csv(comparison().runs))))
    assert [row["data_seed"] for row in rows] == [row["seed"] for row in rows]
    assert [row["seed"] for row in rows] == ["0"] * 4 + ["1"] * 4
    assert float(rows[-1]["fit_break_cka"]) == pytest.approx(2.11)


def test_defaults_that_follow_the_optimizer_do_not_count_as_varied() -> None:
    summaries = [run.summary for run in comparison().runs]
    assert varied_settings(summaries) == ("arch", "opt")
    swept = [*summaries, record("resnet18", "sgd", 0).summary]
    swept[-1] = replace(swept[-1], params=dict(swept[-1].params) | {"lr": "0.5"})
    assert varied_settings(swept) == ("arch", "opt", "lr")


def test_a_rate_that_a_factor_gives_is_no_setting_of_its_own() -> None:
    summaries = [
        replace(s, params=dict(s.params) | {"lr": f"{s.params['lr']}{factor}", "lr_factor": factor})
        for s in (run.summary for run in comparison().runs)
        for factor in ("0.3", "1")
    ]
    assert varied_settings(summaries) == ("arch", "opt", "lr_factor")
    older = [run.summary for run in comparison().runs]
    unset = [replace(s, params=dict(s.params) | {"lr_factor": "None"}) for s in older]
    assert varied_settings([*older, *unset]) == ("arch", "opt")


def test_an_epsilon_that_goes_with_the_optimizer_is_no_setting_of_its_own() -> None:
    before = [run.summary for run in comparison().runs]
    now = [
        replace(s, params=dict(s.params) | {"eps": eps})
        for s in before
        for eps in ("0.0001" if s.params["opt"] == "adam" else "None",)
    ]
    assert varied_settings(now) == ("arch", "opt")
    assert varied_settings([*now, *(s for s in before if s.params["opt"] == "sgd")]) == (
        "arch",
        "opt",
    )
    assert varied_settings([*now, *before]) == ("arch", "opt", "eps")


def test_observations_keep_the_factor_of_the_rate_and_the_fit() -> None:
    run = comparison().runs[0]
    summary = replace(run.summary, params=dict(run.summary.params) | {"lr_factor": "3"})
    seen = observation(replace(run, summary=summary, phases=Phases(fit=7)))
    assert (seen.fit, seen.at_default_rate) == (7, False)
    assert observation(run).at_default_rate


def test_a_data_seed_that_goes_with_the_seed_is_no_setting_of_its_own() -> None:
    runs = [run.summary for run in comparison(seeds=3).runs]
    assert "data_seed" not in varied_settings(runs)
    other = replace(runs[0], params=dict(runs[0].params) | {"data_seed": "7"})
    assert "data_seed" in varied_settings([*runs, other])
    fixed = [replace(run, params=dict(run.params) | {"data_seed": "0"}) for run in runs]
    assert "data_seed" not in varied_settings(fixed)


def test_seeds_of_a_group_are_together_and_in_order() -> None:
    summaries = [record("resnet18", "sgd", seed).summary for seed in (10, 2, 1)]
    other = replace(summaries[0], params=dict(summaries[0].params) | {"label_noise": "0.3"})
    ordered = sorted([other, *summaries], key=_order)
    assert [(s.params["label_noise"], s.params["seed"]) for s in ordered] == [
        ("0.15", "1"),
        ("0.15", "2"),
        ("0.15", "10"),
        ("0.3", "10"),
    ]


def test_runs_on_different_reference_images_say_which_setting_differs() -> None:
    one, other = (record("resnet18", "sgd", seed) for seed in (0, 1))
    assert different_probes(one, other) == "data_seed 0 and 1"
    assert different_probes(one, record("resnet18", "adam", 0)) is None


def test_seeds_on_one_draw_of_the_data_are_pointed_out() -> None:
    runs = comparison(seeds=2).runs
    assert not any("share data seed" in note for note in notes(runs))
    fixed = [
        replace(run, summary=replace(run.summary, params={**run.summary.params, "data_seed": "0"}))
        for run in runs
    ]
    assert any("All seeds share data seed 0" in note for note in notes(fixed))


def test_a_pair_of_optimizers_agrees_in_all_else() -> None:
    sgd, adam = (record("resnet18", opt, 0).summary for opt in ("sgd", "adam"))
    assert optimizer_pair(sgd, adam)
    assert not optimizer_pair(sgd, record("resnet18", "adam", 1).summary)
    assert not optimizer_pair(sgd, sgd)


def test_spikes_and_missing_fits_are_pointed_out() -> None:
    runs = comparison().runs
    spiky = replace(runs[0], phases=Phases(fit=3, spikes=(9,)))
    unfit = replace(runs[1], phases=Phases())
    said = notes([spiky, unfit])
    assert any(runs[0].summary.name in note and "fell back" in note for note in said)
    assert any(runs[1].summary.name in note and "not reached" in note for note in said)
    many = notes([spiky] * 7 + [unfit] * 8)
    assert any("raises their synchrony: 7 of 15 runs." in note for note in many)
    assert any("no break there: 8 of 15 runs." in note for note in many)


def drifting(speeds: Sequence[float], seed: int = 0) -> RunRecord:
    """A run whose layers drift steadily: S = exp(-speed · |Δ ln epoch|)."""
    epochs = np.array([0, *range(1, 8), 10, 14, 20, 28, 40, 56, 80])
    at = np.log(np.maximum(epochs, 0.5))
    similarity = np.stack([np.exp(-speed * np.abs(at[:, None] - at)) for speed in speeds])
    names = tuple(f"block{i}" for i in range(len(speeds)))
    layers, shape = len(speeds), (len(speeds) + 1, len(epochs))
    dynamics = Dynamics(
        layers=names,
        steps=epochs,
        similarity={"cka": similarity.astype(np.float32)},
        probe_acc=np.zeros((layers, len(epochs), 3), np.float32),
        fragmentation=np.zeros(shape, np.float32),
        areas=np.zeros((*shape, 2), np.float32),
    )
    return replace(record("resnet18", "sgd", seed), dynamics=dynamics, phases=Phases(fit=20 + seed))


def test_drift_is_the_median_over_seeds_with_their_range() -> None:
    found = rates_over_seeds([drifting([0.1 * k, 0.2]) for k in (1, 2, 6)], "cka")
    assert found is not None
    for values, speed in ((found.low, 0.1), (found.middle, 0.2), (found.high, 0.6)):
        np.testing.assert_allclose(values[0], 1 - 1.5**-speed, rtol=1e-3)
    np.testing.assert_allclose(found.low[1], found.high[1])


def test_drift_below_the_resolution_is_not_drawn_as_a_number() -> None:
    found = rates_over_seeds([drifting([1e-6, 0.2])], "cka")
    assert found is not None
    assert np.isnan(found.middle[0]).all()
    assert np.isfinite(found.middle[1]).all()


def test_runs_with_other_layers_are_not_mixed() -> None:
    found = rates_over_seeds([drifting([0.1, 0.2]), drifting([0.1])], "cka")
    assert found is not None
    assert found.middle.shape[0] == 2
    assert rates_over_seeds([replace(RECORD, dynamics=None)], "cka") is None


def test_the_drift_figure_shows_all_runs_and_shades_what_is_not_resolved() -> None:
    runs = tuple(drifting([1e-6, 0.2], seed) for seed in range(3))
    made = Comparison("seeds", runs, (), ("arch", "opt"), (), ())
    figure = comparison_figures(made)["drift"]
    (axes, *_) = figure.axes
    (fit,) = [line for line in axes.lines if line.get_gid() == "fit"]
    assert set(np.asarray(fit.get_xdata()).tolist()) == {21}
    assert [p for p in axes.patches if p.get_gid() == UNRESOLVED]
    assert axes.get_ylabel().startswith("1 − CKA")
    fast = replace(made, runs=tuple(drifting([0.5, 0.2], seed) for seed in range(3)))
    (axes, *_) = comparison_figures(fast)["drift"].axes
    assert not [p for p in axes.patches if p.get_gid() == UNRESOLVED]
