"""A comparison of runs as JSON."""

from __future__ import annotations

from repdyn.analysis.findings import Finding
from repdyn.measures.spec import MEASURES
from repdyn.report.comparison import Comparison
from repdyn.report.export import json_text, phase_values, score_values, summary_values


def as_json(comparison: Comparison) -> str:
    """Return all numbers of a comparison as JSON; NaN is null.

    The keys are `title`, `runs` (summary, phases and scores of each), `findings`, `cross`, `notes`.
    A finding has `verdict`, `seeds`, `seeds_needed`, `effects`, each with the fields of Effect,
    `by_similarity` (its verdict on each measure alone) and `without_falls` (the first four of the runs
    that stay at their fit; null if all do); the number of seeds needed is null if it is more than
    MOST_SEEDS, unknown or no longer needed.
    """
    runs = [
        {
            "summary": summary_values(run.summary),
            "phases": phase_values(run.phases),
            "scores": score_values(run.scores),
        }
        for run in comparison.runs
    ]
    staying = comparison.without_falls
    findings = [
        {
            "name": finding.name,
            "claim": finding.claim,
            **_judged(finding),
            "by_similarity": dict.fromkeys(MEASURES)
            | dict(comparison.by_similarity.get(finding.name, {})),
            "without_falls": _judged(alone) if (alone := staying.get(finding.name)) else None,
        }
        for finding in comparison.findings
    ]
    whole = {
        "title": comparison.title,
        "runs": runs,
        "findings": findings,
        "cross": comparison.cross,
        "notes": comparison.notes,
    }
    return json_text(whole)


def _judged(finding: Finding) -> dict[str, object]:
    return {
        "verdict": finding.verdict,
        "seeds": finding.seeds,
        "seeds_needed": finding.seeds_needed,
        "effects": finding.effects,
    }
