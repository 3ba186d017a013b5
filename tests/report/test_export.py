"""JSON and CSV have the same keys and types for every run, whatever it lacks."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repdyn.display.labels import PHASES
from repdyn.measures.spec import MEASURES
from repdyn.records import RunRecord
from repdyn.report.comparison_json import as_json as comparison_json
from repdyn.report.export import SCORES, SETTINGS, as_json, runs_json
from repdyn.report.runs_csv import as_csv
from repdyn.settings.schema import StoreConfig, TrainConfig
from repdyn.settings.text import param_value
from repdyn.storage import schema
from repdyn.storage.provenance import Provenance, encode
from repdyn.storage.reader import load_run
from repdyn.storage.search import list_runs
from tests.report.test_comparison_shown import HOSTILE, comparison
from tests.report.test_text import with_errors
from tests.support import partial_runs, synthetic

RECORD = synthetic.run(count=20)[0]
DOCS = Path(__file__).parents[2] / "docs/reference/export.md"

NUMBER, COUNT, TEXT = (int, float), int, str

SUMMARY: dict[str, Any] = {
    "run_id": TEXT,
    "name": TEXT,
    "experiment": TEXT,
    "status": TEXT,
    "started": TEXT,
    "ended": (str, None),
    "last_step": (int, None),
    "parent": (str, None),
    "params": dict,
    "tags": dict,
    "metrics": dict,
    "provenance": list,
}
RUN: dict[str, Any] = {
    "summary": SUMMARY,
    "layers": (list, None),
    "steps": (list, None),
    "unit": (str, None),
    **dict.fromkeys(schema.SHAPES, (list, None)),
    "curves": dict,
    "phases": {
        **dict.fromkeys(PHASES, (int, None)),
        **dict.fromkeys(("change_points", "spikes", "joint", "change_intervals"), list),
        "joint_intervals": list,
        "intervals": dict.fromkeys(PHASES, (list, None)),
    },
    "scores": {key.name: (int, float, None) for key in SCORES},
    "undefined": dict.fromkeys((*PHASES, *(key.name for key in SCORES)), (str, None)),
}
"""The keys of `show --json`, and the types of their values."""


def check(value: Any, wanted: Any, at: str = "") -> None:
    """Check that a value has exactly these keys, and the types of each."""
    if isinstance(wanted, dict):
        assert isinstance(value, dict), at
        assert value.keys() == wanted.keys(), at
        for key, of in wanted.items():
            check(value[key], of, f"{at}.{key}")
        return
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    assert (value is None and None in kinds) or type(value) in kinds, f"{at}: {value!r}"


def records(store: StoreConfig) -> dict[str, RunRecord]:
    """Return runs with and without labels, planes, fit, noise, standard errors, checkpoints."""
    own = {run.name: load_run(store, run.run_id) for run in list_runs(store)}
    assert own.keys() == partial_runs.PARTIAL.keys()
    scores = {key: 0.5 for key in SCORES if key.measure in ("cka", "regions")}
    made = {"errors": with_errors(0.01), "no noise": synthetic.run(noise=False)[0]}
    made |= {
        "whole": RECORD,
        "killed": replace(RECORD, summary=replace(RECORD.summary, status="KILLED", ended=None)),
        "hostile": replace(
            RECORD, summary=replace(RECORD.summary, name=HOSTILE, params={HOSTILE: HOSTILE})
        ),
    }
    return own | {name: replace(record, scores=scores) for name, record in made.items()}


def test_every_run_has_the_same_keys_and_types(partial_store: StoreConfig) -> None:
    for name, record in records(partial_store).items():
        found = json.loads(as_json(record))
        check(found, RUN, name)
        assert found["summary"]["params"].keys() >= set(SETTINGS)
        assert datetime.fromisoformat(found["summary"]["started"]).utcoffset() is not None


def test_the_list_of_runs_has_them_too(partial_store: StoreConfig) -> None:
    for one in json.loads(runs_json(list_runs(partial_store))):
        check(one, SUMMARY)


def test_a_comparison_has_the_same_keys_for_every_run_and_finding() -> None:
    found = json.loads(comparison_json(comparison()))
    for run in found["runs"]:
        check(run, {key: RUN[key] for key in ("summary", "phases", "scores")})
    for finding in found["findings"]:
        assert finding["by_similarity"].keys() == MEASURES.keys()


def test_params_have_the_types_of_their_settings() -> None:
    config = TrainConfig()
    params = json.loads(runs_json([synthetic.summary(params=config.params())]))[0]["params"]
    for name, value in config.settings():
        expected = list(value) if isinstance(value, tuple) else value
        assert params[name] == (str(value) if isinstance(value, Path) else expected), name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.1", 0.1),
        ("1e-05", 1e-5),
        ("True", True),
        ("None", None),
        ("1e5", "1e5"),  # a digest, perhaps: Python writes 100000.0
        ("007", "007"),
        ("12e400", "12e400"),
        ("9" * 5000, "9" * 5000),
        ("", ""),
    ],
)
def test_a_param_of_another_program_is_a_number_only_if_nothing_is_lost(
    text: str, value: object
) -> None:
    found = param_value("their_param", text)
    assert (found, type(found)) == (value, type(value))


def test_a_param_keeps_all_of_its_digits() -> None:
    params = {"lr": "0.123456789", "theirs": "0.987654321"}
    run = replace(RECORD, summary=replace(RECORD.summary, params=params))
    found = json.loads(as_json(run))["summary"]["params"]
    assert (found["lr"], found["theirs"]) == (0.123456789, 0.987654321)
    (row,) = csv.DictReader(io.StringIO(as_csv([run])))
    assert (row["lr"], row["param.theirs"]) == ("0.123456789", "0.987654321")


def test_csv_has_the_same_columns_for_every_run(partial_store: StoreConfig) -> None:
    heads = set()
    for record in records(partial_store).values():
        (row,) = csv.DictReader(io.StringIO(as_csv([record])))
        heads.add(tuple(name for name in row if not name.startswith("param.")))
        assert "None" not in row.values()
        for key in SCORES:
            value = record.scores.get(key)
            assert (row[key.name] == "") == (value is None)
            assert value is None or float(row[key.name]) == pytest.approx(value, rel=1e-4)
        for name in PHASES:
            at = getattr(record.phases, name)
            assert row[name] == ("" if at is None else str(at))
    assert len(heads) == 1


def test_the_rows_of_several_runs_fit_together() -> None:
    other = replace(RECORD, summary=replace(RECORD.summary, params={"theirs": "x"}))
    whole, part = csv.DictReader(io.StringIO(as_csv([RECORD, other])))
    assert list(whole) == list(part)
    assert (whole["param.theirs"], part["param.theirs"]) == ("", "x")
    assert (whole["arch"], part["arch"]) == ("resnet18", "")
    fit = RECORD.phases.intervals.get("fit")
    assert (whole["fit_from"], whole["fit_to"]) == tuple(map(str, fit)) if fit else ("", "")


def test_what_a_run_was_trained_with_is_in_it() -> None:
    one = Provenance("2026-01-31T12:00:00+00:00", {"torch": "2.9.0"}, "", "abc", dirty=False)
    tags = {schema.PROVENANCE_TAG: encode([one])}
    (found,) = json.loads(runs_json([synthetic.summary(tags=tags)]))
    (told,) = found["provenance"]
    assert told["versions"] == {"torch": "2.9.0"}
    assert (told["commit"], told["dirty"], told["command"]) == ("abc", False, None)


def test_the_documentation_names_every_key() -> None:
    text = DOCS.read_text()
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert {*RUN, *SUMMARY, *RUN["phases"]} - set(schema.SHAPES) <= named
    assert {*MEASURES, *schema.ARRAYS} <= named


def test_numbers_are_written_to_five_digits() -> None:
    found = json.loads(as_json(RECORD))
    assert found["cka"][0][0][1] == float(f"{RECORD.dynamics.similarity['cka'][0, 0, 1]:.5g}")  # type: ignore[union-attr]
    assert np.shape(found["cka"]) == RECORD.dynamics.similarity["cka"].shape  # type: ignore[union-attr]
