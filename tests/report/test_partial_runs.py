"""Runs without labels, planes, metrics or measures: nothing empty is shown of them."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from repdyn.display.metrics import main_groups, metric_groups
from repdyn.records import Curve, RunRecord
from repdyn.report.export import as_json
from repdyn.report.figures import curves, similarity_matrices, standard_figures
from repdyn.report.figures.comparison import comparison_figures
from repdyn.report.page import page
from repdyn.report.runs import runs_table
from repdyn.report.text import show
from repdyn.runs.comparison import compared
from repdyn.settings.schema import StoreConfig
from repdyn.step_words import counted, short_step, step
from repdyn.storage.reader import load_run
from repdyn.storage.search import list_runs
from tests.report.test_text import printed
from tests.support.partial_runs import PARTIAL
from tests.support.present import present

NO_PHASES = "No phases: log train/acc and test/acc (docs/measures.md)"

SHOWN = {
    "language-model": ("1,000,000,000,000 tokens · 13 checkpoints · 100 layers", NO_PHASES, "1T"),
    "text-classifier": ("agnews, 1000 examples", "48,000 steps", "probe, test  probe, clean"),
    "one-layer": ("nearest neighbours", "1 layer ·", "loss  eval/perplexity", NO_PHASES),
    "no-metrics": ("2,000,000 steps", "CKA", NO_PHASES),
    "one-plane": ("decision regions", "train loss", NO_PHASES),
    "unmeasured": ("4 layers", NO_PHASES),
    "just-begun": ("1 checkpoint ·", "one checkpoint so far"),
    "before-the-first": ("1000 steps", "no checkpoint yet"),
}
"""What `repdyn show` says of each run."""

HIDDEN = {
    "language-model": ("probe", "accuracy", "change points"),
    "text-classifier": ("noisy", "images", "change points"),
    "one-layer": ("probe", "Accuracy", "CKA", "Layers"),
    "no-metrics": ("probe", "Metrics", "Accuracy"),
    "one-plane": ("probe", "CKA"),
    "unmeasured": ("Similarity", "Layers", "Metrics", "Scores"),
    "just-begun": ("Similarity to", "--resume"),
    "before-the-first": ("epoch", "Layers", "--resume"),
}
"""What it does not say."""

FIGURES = {
    "one-layer": {"curves", "knn", "overview_knn"},
    "no-metrics": {"cka", "overview_cka"},
    "one-plane": {"curves", "regions", "overview_regions", "fragmentation"},
    "unmeasured": set(),
    "just-begun": {"cka", "overview_cka"},
}
"""The figures of each run, without label maps."""


def stored(store: StoreConfig, name: str) -> RunRecord:
    return load_run(store, name)


@pytest.mark.parametrize("name", PARTIAL)
def test_show_prints_what_there_is(name: str, partial_store: StoreConfig) -> None:
    said = printed(show(stored(partial_store, name)))
    for words in SHOWN[name]:
        assert words in said
    for words in HIDDEN[name]:
        assert words not in said
    assert not re.search(r"\bnan\b|^\S+( +–)+ *$", said, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("name", FIGURES)
def test_only_figures_with_data_are_drawn(name: str, partial_store: StoreConfig) -> None:
    drawn = standard_figures(stored(partial_store, name), None, [], ())
    assert drawn.keys() == FIGURES[name]
    for figure in drawn.values():
        shown = [axes for axes in figure.axes if axes.get_visible()]
        assert all(axes.has_data() for axes in shown)


def test_metrics_and_probes_have_a_panel_each(partial_store: StoreConfig) -> None:
    drawn = curves(stored(partial_store, "text-classifier"))
    titles = {axes.get_ylabel() or axes.get_title(loc="left") for axes in drawn.axes}
    assert titles == {"accuracy", "loss", ""}
    assert {axes.get_xlabel() for axes in drawn.axes} == {"step", ""}
    assert "Accuracy and loss" in str(drawn.get_suptitle())


def test_of_a_hundred_layers_some_are_drawn_and_labels_do_not_touch(
    partial_store: StoreConfig,
) -> None:
    record = stored(partial_store, "language-model")
    record = replace(record, dynamics=present(record.dynamics).at_checkpoints(slice(0, None, 3)))
    drawn = similarity_matrices(record, "cka")
    assert "24 of 100 layers" in str(drawn.get_suptitle())
    titled = [axes for axes in drawn.axes if axes.get_title()]
    assert [titled[0].get_title(), titled[-1].get_title()] == [
        "model.embed_tokens",
        "model.layers.98",
    ]
    boxes = [label.get_window_extent() for label in titled[-1].get_xticklabels()]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_json_has_the_same_keys_of_every_run(partial_store: StoreConfig) -> None:
    told = {
        name: json.loads(as_json(stored(partial_store, name)))
        for name in ("text-classifier", "one-layer", "before-the-first")
    }
    text, one, before = told.values()
    assert text.keys() == one.keys() == before.keys()
    assert text["regions"] is text["fragmentation"] is text["areas"] is None
    assert one["probe_acc"] is one["cka"] is before["steps"] is None
    assert one["phases"]["fit"] is None
    assert len(one["knn"]) == 1


def test_the_list_of_runs_leaves_out_empty_columns(partial_store: StoreConfig) -> None:
    said = printed(runs_table(list_runs(partial_store)))
    head = said.splitlines()[0]
    assert "train" in head
    assert "onset" not in head
    assert "noise" not in head


RUNS = "Runs and what they were trained with"


@pytest.mark.parametrize(
    ("names", "sections", "figures"),
    [
        (
            ("one-layer", "unmeasured"),
            {"Overlap of nearest neighbours between checkpoints", "Details", RUNS},
            set(),
        ),
        (
            ("text-classifier", "one-plane"),
            {
                "CKA between checkpoints",
                "Agreement of decision regions between checkpoints",
                "Numbers",
                "Figures",
                "Details",
                "Other scores",
                "What the scores mean",
                "Settings",
                RUNS,
            },
            {"scores", "drift"},
        ),
    ],
)
def test_a_report_has_no_empty_section(
    names: tuple[str, str], sections: set[str], figures: set[str], partial_store: StoreConfig
) -> None:
    records = [stored(partial_store, name) for name in names]
    comparison = compared(records, partial_store)
    assert comparison.title == " and ".join(names)
    drawn = comparison_figures(comparison)
    assert drawn.keys() == figures
    html = page(comparison, dict.fromkeys(drawn, b""))
    heads = re.findall("<section><h2>(.*?)</h2>|<summary>(.*?)</summary>", html)
    assert {section or fold for section, fold in heads} == sections
    assert "<tbody></tbody>" not in html
    assert "2 runs in 2 groups" in html
    assert "label noise" not in html
    for name in names if "Numbers" in sections else ():
        assert f"<th>{name}</th>" in html or PARTIAL[name].params


def test_a_comparison_of_many_runs_is_named_by_their_number(partial_store: StoreConfig) -> None:
    both = [stored(partial_store, name) for name in ("one-plane", "text-classifier")]
    assert compared([*both, both[0]], partial_store).title == "3 runs"


def test_metrics_are_grouped_by_the_last_word_of_their_names() -> None:
    one = Curve(np.arange(2), np.array([0.5, 0.7]))
    names = ("eval_loss", "test/acc", "lr", "val.accuracy", "train/loss", "test/acc_top5", "empty")
    given = dict.fromkeys(names, one) | {"empty": Curve(np.arange(2), np.full(2, np.nan))}
    found = {group.title: list(group.curves) for group in metric_groups(given)}
    assert found == {
        "accuracy": ["test", "val.accuracy"],
        "loss": ["train", "eval_loss"],
        "lr": ["lr"],
        "test/acc_top5": ["test/acc_top5"],
    }
    assert [group.title for group in main_groups(given)] == ["accuracy", "loss"]
    percent = metric_groups({"val_acc": Curve(np.arange(2), np.array([10.0, 93.0]))})[0]
    assert not percent.are_shares
    assert percent.written(93.0) == "93"


@pytest.mark.parametrize(
    ("number", "full", "short"),
    [
        (9999, "9999", "9999"),
        (12_345, "12,345", "12.3k"),
        (999_999, "999,999", "1M"),
        (1_200_000, "1,200,000", "1.2M"),
        (10**12, "1,000,000,000,000", "1T"),
        (10**15, "1,000,000,000,000,000", "1000T"),
    ],
)
def test_large_steps_are_readable(number: int, full: str, short: str) -> None:
    assert step(number) == full
    assert short_step(number) == short
    assert counted(number, "step") == f"{full} steps"
    assert counted(1, "layer") == "1 layer"
