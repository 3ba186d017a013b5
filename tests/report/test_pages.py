"""The HTML pages of runs and comparisons: what they show, and that they need nothing else."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from repdyn.analysis.findings import Finding
from repdyn.display.findings import findings
from repdyn.display.labels import SCORES
from repdyn.display.similarity import similarity
from repdyn.display.viridis import viridis
from repdyn.records import Phases, RunRecord
from repdyn.report import forest
from repdyn.report.page import page
from repdyn.report.provenance import differences, facts
from repdyn.report.run_page import run_page
from repdyn.report.tiles import DIAGONAL, MISSING, SIDE, mean_over, tiles
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.provenance import Provenance, encode
from repdyn.storage.reader import load_run
from repdyn.storage.search import list_runs
from tests.report.test_comparison_shown import HOSTILE, comparison, effect_of
from tests.support import partial_runs, synthetic

RECORD = synthetic.run(count=20)[0]
FIGURE = {"scores": b"\x89PNG", "overview_cka": b"\x89PNG"}
OURS = Provenance(
    "2026-01-31T12:00:00+00:00",
    {"torch": "2.9.0", "python": "3.11.1"},
    "repdyn train",
    "abc123" * 6,
    dirty=False,
    device="cpu (Made Up)",
)


class Elements(HTMLParser):
    """Collects the elements of a page, and checks that they are nested."""

    VOID = frozenset({"meta", "img", "wbr", "line", "circle", "rect", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag


def run_record(**changes: object) -> RunRecord:
    return replace(RECORD, **changes)  # type: ignore[arg-type]


def started(name: str, **changes: object) -> RunRecord:
    tags = {schema.PROVENANCE_TAG: encode([replace(OURS, **changes)])}  # type: ignore[arg-type]
    return run_record(summary=replace(RECORD.summary, name=name, run_id=name, tags=tags))


PAGES = {
    "comparison": lambda: page(comparison(), FIGURE),
    "comparison of hostile names": lambda: page(comparison(title=HOSTILE), FIGURE),
    "run": lambda: run_page(RECORD, FIGURE),
    "hostile run": lambda: run_page(
        run_record(
            summary=replace(RECORD.summary, name=HOSTILE, params={HOSTILE: HOSTILE}, tags={})
        ),
        {HOSTILE: b""},
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_offline_and_without_scripts(name: str) -> None:
    text = PAGES[name]()
    elements = Elements(text).found
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "base", "form"}
    for tag, attributes in elements:
        assert not [key for key in attributes if key.startswith("on")], tag
        for key in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(key) or "data:image/png;base64,").startswith("data:image/png;")
    assert not re.search(r"url\(|@import|https?://", text)
    assert "\x1b" not in text
    assert "<script" not in text


@pytest.mark.parametrize("name", ["comparison", "run"])
def test_no_key_of_a_score_is_shown(name: str) -> None:
    shown = re.sub(r"<style>.*?</style>|<[^>]*>", "", PAGES[name](), flags=re.DOTALL)
    assert not [key for key in SCORES if "_" in key and key in shown]


# --- the forest plot


def test_a_row_of_the_forest_plot_is_in_proportion() -> None:
    """The estimate is in the middle of its interval, and 0 in the middle of the margins."""
    (panel,) = forest.panels(Finding("", "", (effect_of(1.0, 3.0, 2.0),)))
    (row,) = panel.rows
    assert row.ends is not None
    assert panel.null is not None
    assert row.at == pytest.approx(sum(row.ends) / 2, abs=0.02)
    assert panel.null == pytest.approx(sum(panel.matters) / 2, abs=0.02)
    effect = effect_of(1.0, 3.0, 2.0)
    a_unit = (row.at - panel.null) / effect.estimate
    assert panel.matters[1] - panel.null == pytest.approx(a_unit * effect.margin, abs=0.05)
    zero = next(tick for tick in panel.ticks if tick.text == "0")
    assert zero.at == panel.null
    assert row.cut == (False, False)
    assert row.sample == "3 seeds, 3 pairs"


def test_a_far_end_of_an_interval_is_cut_and_says_so() -> None:
    (panel,) = forest.panels(Finding("", "", (effect_of(-9.0, 9.2),)))
    (row,) = panel.rows
    assert row.cut == (True, True)
    assert 0 <= row.ends[0] < row.at < row.ends[1] <= 100  # type: ignore[index]


def test_every_place_is_on_the_line_and_an_effect_without_interval_has_none() -> None:
    alone = Finding("", "", (effect_of(1.0), effect_of()))
    (panel,) = forest.panels(alone)
    assert [row.ends for row in panel.rows] == [None]
    for finding in comparison(seeds=3).findings:
        for panel in forest.panels(finding):
            for row in panel.rows:
                assert 0 <= row.at <= 100
                assert all(0 <= at <= 100 for at in row.ends or ())


def test_each_claim_is_shown_with_its_verdict_before_anything_else() -> None:
    text = page(comparison(), FIGURE)
    assert text.index("1 of 6 claims supported") < text.index("<article")
    order = ["<article", "Keep in mind", 'class="tiles"', "<h2>Numbers", "<h2>Figures", "<details"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


# --- matrices


def test_a_tile_holds_the_colours_of_its_matrix() -> None:
    shown = similarity(RECORD.dynamics, "cka")  # type: ignore[arg-type]
    matrices = shown.matrices.copy()
    matrices[0, 0, 1] = np.nan
    scale = shown.scale()
    drawn = tiles("t", replace(shown, matrices=matrices), scale, [0, 2], [RECORD])
    assert [tile.name for tile in drawn.tiles] == [shown.names[0], shown.names[2]]
    content = b64decode(drawn.tiles[0].source.removeprefix("data:image/png;base64,"))
    pixels = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    assert pixels.shape == (SIDE, SIDE, 3)
    # the first checkpoint is lower left, the last upper right
    assert tuple(pixels[-1, 0]) == tuple(pixels[0, -1]) == DIAGONAL
    expected = viridis(scale.place(matrices[0, 0, -1]))
    assert np.abs(pixels[-1, -1].astype(int) - expected).max() <= 3
    assert (pixels == MISSING).all(axis=2).any()
    names = dict(drawn.lines)
    assert 0 < names["onset"] < names["fit"] < 100


def test_the_mean_is_over_runs_of_the_same_layers_and_checkpoints() -> None:
    shown = similarity(RECORD.dynamics, "cka")  # type: ignore[arg-type]
    other = replace(shown, matrices=shown.matrices * 0.5)
    part = replace(shown, steps=shown.steps[:3], matrices=shown.matrices[:, :3, :3])
    mean, count = mean_over([shown, part, other])
    assert count == 2
    np.testing.assert_allclose(mean.matrices, shown.matrices * 0.75, rtol=1e-6)
    gap = replace(other, matrices=np.full_like(other.matrices, np.nan))
    np.testing.assert_allclose(mean_over([shown, gap])[0].matrices, shown.matrices, rtol=1e-6)


# --- a run


def test_the_page_of_a_run_tells_what_it_shows() -> None:
    text = run_page(RECORD, FIGURE)
    for found in findings(RECORD):
        assert str(found) in text.replace("&#39;", "'")
    assert "not recorded" in text


@pytest.mark.parametrize("name", partial_runs.PARTIAL)
def test_a_run_of_any_parts_has_a_page(partial_store: StoreConfig, name: str) -> None:
    runs = list_runs(partial_store)
    record = next(load_run(partial_store, run.run_id) for run in runs if run.name == name)
    text = run_page(record, {})
    Elements(text)
    assert name in text.replace("<wbr>", "")
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).replace("nance", "")


def test_a_run_that_fell_back_says_so() -> None:
    spiky = run_record(phases=Phases(fit=3, spikes=(9, 12)))
    assert "fell back after perfect fit (epoch 9 12)" in run_page(spiky, {})


# --- what it was trained with


def test_runs_that_were_trained_with_other_versions_commits_or_devices_are_told() -> None:
    runs = [
        started("a"),
        started("b", versions={"torch": "2.9.1", "python": "3.11.1"}),
        started("c", commit="def456" * 6, dirty=True),
        run_record(summary=replace(RECORD.summary, name="old")),
    ]
    said = differences([run.summary for run in runs])
    assert said == (
        "Not trained with the same versions of torch: 2.9.0 (a, c); 2.9.1 (b).",
        "Not trained with the same git commits: abc123abc123 (a, b); def456def456 (c).",
        "Trained with uncommitted changes: c.",
        "What 1 of the runs were trained with was not recorded.",
    )
    text = page(replace(comparison(), runs=tuple(runs)), {})
    assert "Not trained with the same versions of torch" in text
    assert "2026-01-31 12:00 UTC" in text


def test_runs_of_the_same_name_are_told_apart_in_a_warning() -> None:
    a, b = (replace(started("a", device=d).summary, run_id=d * 8) for d in ("cpu", "gpu"))
    assert differences([a, b]) == (
        "Not trained with the same devices: cpu (a (cpucpucp)); gpu (a (gpugpugp)).",
    )


def test_runs_that_were_trained_alike_or_before_it_was_recorded_give_no_warning() -> None:
    assert differences([started("a").summary, started("b").summary]) == ()
    assert differences([RECORD.summary, RECORD.summary]) == ()
    assert "was not recorded by their version" in page(comparison(), {})


def test_a_run_that_was_resumed_with_other_versions_says_so() -> None:
    later = replace(OURS, versions={"torch": "2.10.0"}, command="repdyn train --resume x")
    tags = {schema.PROVENANCE_TAG: encode([OURS, later])}
    run = replace(RECORD.summary, tags=tags)
    assert dict(facts(run))["torch"] == "2.9.0; then 2.10.0"
    assert differences([run])[0].startswith("Not trained with the same versions of torch: 2.9.0")
    text = run_page(run_record(summary=run), {}).replace("<wbr>", "")
    assert "repdyn train; then repdyn train --resume x" in text
