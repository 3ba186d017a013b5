"""Descriptions of runs and sweeps, as MLflow renders them."""

from dataclasses import replace

from markdown_it import MarkdownIt

from repdyn.display.findings import findings
from repdyn.records import Phases
from repdyn.report import description
from tests.report.test_comparison_shown import HOSTILE, comparison
from tests.support import synthetic

RECORD = synthetic.run()[0]


def rendered(text: str) -> str:
    """Return the text as HTML; raw HTML in it stays as it is, as a careless renderer would have it."""
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_a_runs_description_has_its_findings_boundaries_and_how_to_open_it() -> None:
    html = rendered(description.of_run(RECORD))
    assert html.count("<li>") == len(findings(RECORD)) > 0
    assert f'<td style="text-align:right">{RECORD.phases.fit}' in html
    assert f"repdyn tui {RECORD.summary.run_id[:8]}" in html


def test_a_run_at_its_end_is_described_as_ended() -> None:
    running = replace(RECORD, summary=replace(RECORD.summary, status="RUNNING"))
    assert description.of_run(running) == description.of_run(RECORD)
    unfit = replace(running, phases=Phases(), scores={})
    assert "so far" not in description.of_run(unfit)


def test_spikes_are_told() -> None:
    spiky = replace(RECORD, phases=replace(RECORD.phases, spikes=(60, 90)))
    assert "falls back after perfect fit, at epochs 60, 90" in description.of_run(spiky)
    assert "falls back" not in description.of_run(RECORD)


def test_a_run_without_anything_is_described_too() -> None:
    empty = replace(RECORD, dynamics=None, curves={}, phases=Phases(), scores={})
    html = rendered(description.of_run(empty))
    assert "<table>" not in html
    assert "no checkpoint" in html


def test_a_sweeps_description_has_every_verdict() -> None:
    made = comparison(seeds=2)
    html = rendered(description.of_sweep(made, "abcdef0123"))
    assert html.count("<tr>") == 1 + len(made.findings)
    for finding in made.findings:
        assert finding.verdict in html
    assert "repdyn compare --sweep abcdef01" in html


def test_names_of_others_are_shown_as_they_are() -> None:
    hostile = "<script>alert(1)</script> [x](javascript:y) *a* `b` |"
    params = dict(RECORD.summary.params) | {"arch": hostile, "dataset": hostile}
    record = replace(RECORD, summary=replace(RECORD.summary, params=params))
    for text in (
        description.of_run(record),
        description.of_sweep(comparison(title=HOSTILE), "abcdef0123"),
    ):
        html = rendered(text)
        assert "<script" not in html
        assert "<a " not in html
        assert "\x1b" not in html
