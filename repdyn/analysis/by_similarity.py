"""How far a finding depends on the similarity measure: its verdict on each measure alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from repdyn.analysis.findings import JUDGED, findings
from repdyn.analysis.pairs import Observation
from repdyn.analysis.verdicts import Verdict
from repdyn.measures.spec import MEASURES
from repdyn.score_key import ScoreKey


def verdicts_by_similarity(runs: Sequence[Observation]) -> dict[str, dict[str, Verdict]]:
    """Return the verdict on each finding, by its name, on each measure that it can be tested on.

    The measure takes the place of all those on which findings are judged, so that the rule and its
    correction for several effects are the same: a finding is supported if it is on each of JUDGED, or,
    where it counts some of them only, on those.
    """
    verdicts: dict[str, dict[str, Verdict]] = {}
    for measure in MEASURES:
        for finding in findings([_judged_on(measure, run) for run in runs]):
            if finding.seeds:
                verdicts.setdefault(finding.name, {})[measure] = finding.verdict
    return verdicts


def _judged_on(measure: str, run: Observation) -> Observation:
    """Return a run whose scores on the measures that are judged are those on this one."""
    scores: Mapping[ScoreKey, float] = {
        ScoreKey(key.score, judged): value
        for key, value in run.scores.items()
        if key.measure == measure and np.isfinite(value)
        for judged in JUDGED
    }
    return replace(run, scores=scores)
