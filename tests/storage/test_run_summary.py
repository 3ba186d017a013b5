"""Summaries of MLflow's runs."""

from __future__ import annotations

from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from repdyn.storage.run_summary import summary_of


def found(number: int) -> Run:
    """A run as MLflow reads it: with texts of its own, whatever other runs have."""

    def text(known: str) -> str:
        return bytes(known, "ascii").decode()

    info = RunInfo(f"{number:032x}", "1", "me", "FINISHED", 1, 2, "active")
    metrics = [Metric(text("test/acc"), 0.5, 0, 1)]
    params, tags = [Param(text("opt"), text("adam"))], [RunTag(text("team"), text("vision"))]
    return Run(info, RunData(metrics, params, tags))


def test_runs_share_the_texts_that_they_have_in_common() -> None:
    one, other = (summary_of(found(i), "digits") for i in (1, 2))
    for first, second in (
        (one.params, other.params),
        (one.tags, other.tags),
        (one.metrics, other.metrics),
    ):
        assert first == second
        assert [*map(id, first)] == [*map(id, second)]
    assert one.params["opt"] is other.params["opt"]
    assert one.tags["team"] is other.tags["team"]
