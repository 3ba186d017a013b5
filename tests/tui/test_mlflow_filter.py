"""MLflow's filter language: what is right in MLflow's eyes is right here; places; completions."""

from __future__ import annotations

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils
from packaging.version import Version

from tests.support import synthetic
from tui.mlflow_filter import Known, completions, problem_of

RIGHT = [
    "",
    "params.opt = 'sgd'",
    "params.opt='sgd'",
    'params."opt" = "sgd"',
    "metrics.`test/acc` > 0.9 AND params.opt != 'adam'",
    "metrics.loss <= -1e-3 and tags.stage LIKE '%final%'",
    "attributes.status = 'FINISHED'",
    "status = 'RUNNING'",
    "attributes.start_time > 1700000000000",
    "run.run_name ILIKE 'a%'",
    "attribute.run_id IN ('a', 'b')",
    "datasets.name = 'digits'",
]

OF_NOTHING = ["tags.`mlflow.parentRunId` IS NULL", "params.a IS NOT NULL AND params.b = '1'"]

WRONG = {
    "params.opt": 11,
    "params.opt =": 13,
    "params.opt = sgd": 14,
    "params.opt = 'sgd": 14,
    "params.opt > 'sgd'": 12,
    "params. = 'sgd'": 8,
    "params.`opt = 'sgd'": 1,
    "metrics.loss = 'a'": 16,
    "metrics.loss IS NULL": 14,
    "metrics.loss < 1 OR metrics.loss > 3": 18,
    "metrics.loss < 1 AND": 21,
    "metrics.test/acc > 0.5": 13,
    "attributes.colour = 'red'": 12,
    "colour = 'red'": 1,
    "parms.opt = 'sgd'": 1,
    "'sgd' = params.opt": 1,
    "status = FINISHED": 10,
    "run_id IN 'a'": 11,
}


@pytest.mark.parametrize("text", RIGHT)
def test_what_mlflow_accepts_is_right(text: str) -> None:
    SearchUtils.parse_search_filter(text)
    assert problem_of(text) is None


@pytest.mark.skipif(Version(mlflow.__version__) < Version("3.11"), reason="MLflow has it from 3.11")
@pytest.mark.parametrize("text", OF_NOTHING)
def test_values_that_are_not_there_may_be_asked_for(text: str) -> None:
    SearchUtils.parse_search_filter(text)
    assert problem_of(text) is None


@pytest.mark.parametrize(("text", "place"), WRONG.items())
def test_what_is_wrong_has_a_place(text: str, place: int) -> None:
    problem = problem_of(text)
    assert problem is not None
    assert str(problem).startswith(f"character {place}: ")
    assert "\n" not in str(problem)


LATER = {"params.opt > 'sgd'", "params. = 'sgd'", "metrics.loss < 1 AND", "metrics.test/acc > 0.5"}
"""What MLflow notices in the store only, or reads as something that was not meant."""


@pytest.mark.parametrize("text", [text for text in WRONG if text not in LATER])
def test_what_is_wrong_here_is_wrong_for_mlflow(text: str) -> None:
    with pytest.raises((MlflowException, ValueError)):
        SearchUtils.parse_search_filter(text)


RUNS = [
    synthetic.summary(
        params={"opt": "sgd", "lr": "0.1"}, metrics={"test/acc": 0.5}, tags={"a": "x"}
    ),
    synthetic.summary(params={"opt": "adam", "odd`name": "1"}, metrics={"loss": 0.5}, tags={}),
]


def offered(text: str) -> list[str]:
    """Return the whole texts that completions of a text make."""
    return [text[:start] + more for start, more in completions(text, Known.of(RUNS))]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", ["attributes.", "params.", "metrics.", "tags."]),
        ("p", ["params."]),
        ("params.", ["params.lr ", "params.opt "]),
        ("params.o", ["params.opt "]),
        ("acc", ["metrics.`test/acc` "]),
        ("lr", ["params.lr "]),
        ("metrics.te", ["metrics.`test/acc` "]),
        ("metrics.`te", ["metrics.`test/acc` "]),
        ("params.opt ", ["params.opt = ", "params.opt != "]),
        ("params.opt L", ["params.opt LIKE "]),
        ("metrics.loss >", ["metrics.loss > ", "metrics.loss >= "]),
        ("params.opt = ", ["params.opt = 'adam'", "params.opt = 'sgd'"]),
        ("params.opt = 's", ["params.opt = 'sgd'"]),
        ("params.opt = 'sgd'", ["params.opt = 'sgd' AND "]),
        ("params.opt = 'sgd' ", ["params.opt = 'sgd' AND "]),
        ("params.opt = 'sgd' a", ["params.opt = 'sgd' AND "]),
        ("params.opt = 'sgd' AND l", ["params.opt = 'sgd' AND params.lr "]),
        ("status = 'F", ["status = 'FAILED'", "status = 'FINISHED'"]),
    ],
)
def test_what_could_come_next(text: str, first: list[str]) -> None:
    assert offered(text)[: len(first)] == first


def test_what_is_offered_is_right_in_the_end() -> None:
    def grown(text: str, depth: int) -> set[str]:
        more = offered(text)
        if depth == 0 or not more:
            return {text}
        return {end for one in more for end in grown(one, depth - 1)}

    ends = {text for text in grown("", 4) if text.endswith("'")}
    assert len(ends) > 3
    assert [text for text in ends if problem_of(text) is not None] == []
    for text in ends:
        SearchUtils.parse_search_filter(text)


def test_names_that_cannot_be_written_are_not_offered() -> None:
    assert not any("odd" in one for one in offered("params."))


@pytest.mark.parametrize("text", ["params.opt = 5", "((", "\x00", "params.opt = 'a' AND AND"])
def test_where_nothing_fits_nothing_is_offered(text: str) -> None:
    assert offered(text) == []
