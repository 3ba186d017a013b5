"""Findings judged on each similarity measure alone."""

from dataclasses import replace

import pytest

from repdyn.analysis.by_similarity import verdicts_by_similarity
from repdyn.analysis.findings import JUDGED, findings
from repdyn.analysis.pairs import Observation
from repdyn.measures.spec import MEASURES
from repdyn.score_key import ScoreKey
from tests.analysis.test_findings import grid

FINDING = "phases by architecture"
RAISED, LOWERED = 2.0, -2.0


def on(runs: list[Observation], **vit: float) -> list[Observation]:
    """Return runs with a score on these measures alone, a ViT's raised by the value of each."""

    def scores(one: Observation) -> dict[ScoreKey, float]:
        common = one.scores[ScoreKey("fit_break", "cka")]
        return {
            ScoreKey("fit_break", measure): common + value * (one.family == "vit")
            for measure, value in vit.items()
        }

    return [replace(one, scores=scores(one)) for one in runs]


RUNS = grid(6, "fit_break", vit=0.0, sgd=0.0)


def test_each_measure_has_a_verdict_of_its_own() -> None:
    found = verdicts_by_similarity(on(RUNS, cka=RAISED, regions=LOWERED, knn=RAISED))[FINDING]
    assert list(found) == ["cka", "regions", "knn"]
    assert found["cka"] == found["knn"] == "supported"
    assert found["regions"] != "supported"


def test_a_measure_without_scores_has_none() -> None:
    assert list(verdicts_by_similarity(on(RUNS, rsa=RAISED))[FINDING]) == ["rsa"]
    assert verdicts_by_similarity([]) == {}


@pytest.mark.parametrize("effects", [(RAISED, RAISED), (RAISED, LOWERED), (RAISED, 0.0)])
def test_a_finding_is_supported_if_it_is_on_each_measure_that_is_judged(
    effects: tuple[float, float],
) -> None:
    runs = on(RUNS, **dict(zip(JUDGED, effects, strict=True)))
    whole = next(one for one in findings(runs) if one.name == FINDING)
    alone = verdicts_by_similarity(runs)[FINDING]
    assert (whole.verdict == "supported") == all(v == "supported" for v in alone.values())


def test_every_registered_measure_is_judged() -> None:
    found = verdicts_by_similarity(on(RUNS, **dict.fromkeys(MEASURES, RAISED)))
    assert found[FINDING] == dict.fromkeys(MEASURES, "supported")
