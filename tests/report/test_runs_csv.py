"""Runs as CSV: what is written is read again, and gives the same verdicts; other files are refused."""

import csv
import io
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.analysis.findings import findings
from repdyn.display.labels import PHASES
from repdyn.errors import UserError
from repdyn.records import Phases, RunRecord
from repdyn.report.comparison import Comparison, groups
from repdyn.report.comparison_json import as_json as comparison_json
from repdyn.report.export import SCORES, SETTINGS
from repdyn.report.runs_csv import NEEDED, as_csv, read_csv
from repdyn.runs.comparison import compared, observation
from repdyn.settings.schema import MeasureConfig, ModelConfig, OptimConfig, StoreConfig, TrainConfig
from repdyn.settings.sweep_grid import compared_params
from repdyn.storage import schema
from tests.report.test_comparison_shown import HOSTILE, comparison
from tests.report.test_export import RECORD, records
from tests.support import synthetic

NOWHERE = StoreConfig(tracking_uri="sqlite:///none.db")

steps = st.none() | st.integers(0, 10**12)
spans = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))
numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30)
configs = st.builds(
    TrainConfig,
    model=st.builds(
        ModelConfig,
        arch=st.sampled_from(["resnet18", "vit_tiny_patch16_224"]),
        width=st.none() | st.floats(0.01, 1),
        arch_arg=st.lists(st.sampled_from(["depth=2", "num_heads=3"]), unique=True).map(tuple),
    ),
    optim=st.builds(
        OptimConfig,
        lr=st.none() | st.floats(1e-6, 10),
        seed=st.integers(0, 10**9),
        compile=st.booleans(),
    ),
    measure=st.builds(
        MeasureConfig,
        checkpoints=st.none() | st.integers(2, 99) | st.just((0, 1, 10)),
        drs_grid=st.none() | st.integers(20, 99),
        similarity=st.sampled_from([("cka",), ("cka", "regions")]),
    ),
)


def read(text: str, folder: Path) -> list[RunRecord]:
    path = folder / "runs.csv"
    path.write_bytes(text.encode())
    return read_csv(path)


def again(record: RunRecord, folder: Path) -> RunRecord:
    """Return a run written and read."""
    (found,) = read(as_csv([record]), folder)
    return found


def described(record: RunRecord, family: str = "vit") -> RunRecord:
    tags = dict(record.summary.tags) | {schema.FAMILY_TAG: family}
    return replace(record, summary=replace(record.summary, tags=tags))


def families(whole: Comparison) -> list[RunRecord]:
    return [
        described(run, "vit" if "vit" in run.summary.params["arch"] else "resnet")
        for run in whole.runs
    ]


def test_a_row_has_what_findings_need() -> None:
    metrics = {"train/acc": 1.0, "test/acc": 0.875}
    run = replace(
        RECORD,
        summary=replace(RECORD.summary, metrics=metrics),
        phases=replace(RECORD.phases, spikes=(80, 95)),
    )
    (row,) = csv.DictReader(io.StringIO(as_csv([described(run, "resnet")])))
    assert (row["family"], row["train_acc"], row["test_acc"]) == ("resnet", "1.0", "0.875")
    assert row["spikes"] == "80 95"
    assert row.keys() >= {*NEEDED, *SETTINGS, *PHASES, *(key.name for key in SCORES)}


def test_what_is_written_is_read_again(partial_store: StoreConfig, tmp_path: Path) -> None:
    for name, record in records(partial_store).items():
        found = again(record, tmp_path)
        assert found.summary.run_id == record.summary.run_id, name
        assert found.summary.status == record.summary.status
        assert (found.summary.started, found.summary.ended) == (
            record.summary.started,
            record.summary.ended,
        )
        assert found.scores == pytest.approx(
            {key: value for key, value in record.scores.items() if math.isfinite(value)}, rel=1e-4
        )
        for boundary in PHASES:
            assert getattr(found.phases, boundary) == getattr(record.phases, boundary)
            assert found.phases.intervals.get(boundary) == record.phases.intervals.get(boundary)
        assert found.phases.spikes == record.phases.spikes
        if name != "hostile":
            assert found.summary.name == record.summary.name
            assert compared_params(found.summary.params) == compared_params(record.summary.params)
        assert as_csv([found]) == as_csv([record]), "written again, it is the same"


@given(
    config=configs,
    boundaries=st.tuples(steps, steps, steps, steps),
    intervals=st.dictionaries(st.sampled_from(list(PHASES)), spans),
    spikes=st.lists(st.integers(0, 10**6)).map(tuple),
    scores=st.dictionaries(st.sampled_from(SCORES), numbers),
    accuracy=st.none() | st.floats(0, 1),
)
def test_any_run_is_observed_alike(
    config: TrainConfig,
    boundaries: tuple[int | None, int | None, int | None, int | None],
    intervals: Mapping[str, tuple[int, int]],
    spikes: tuple[int, ...],
    scores: Mapping[object, float],
    accuracy: float | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    onset, fit, test_min, test_peak = boundaries
    phases = Phases(onset, fit, test_min, test_peak, spikes=spikes, intervals=dict(intervals))
    metrics = {} if accuracy is None else {"train/acc": accuracy}
    summary = synthetic.summary(params=config.params(), metrics=metrics)
    given_run = RunRecord(summary, None, {}, phases, scores)  # type: ignore[arg-type]  # keys of SCORES
    run = described(given_run)
    found = again(run, tmp_path_factory.getbasetemp())
    seen, expected = observation(found), observation(run)
    assert replace(seen, scores={}) == replace(expected, scores={})
    assert seen.scores == pytest.approx(expected.scores, rel=1e-4)
    assert (found.phases, found.logs_accuracy) == (phases, run.logs_accuracy)


def test_verdicts_from_a_file_are_those_of_its_runs(tmp_path: Path) -> None:
    runs = families(comparison(seeds=3))
    kept = read(as_csv(runs), tmp_path)
    expected = findings([observation(run) for run in runs])
    found = compared([], NOWHERE, kept=kept)
    assert [one.verdict for one in found.findings] == [one.verdict for one in expected]
    assert {"supported", "undecided"} <= {one.verdict for one in expected}
    for one, other in zip(found.findings, expected, strict=True):
        for effect, wanted in zip(one.effects, other.effects, strict=True):
            assert effect.values == pytest.approx(wanted.values, rel=1e-3)
    assert [(g.label, len(g.runs), g.states()) for g in groups(found)] == [
        (g.label, len(g.runs), g.states()) for g in groups(replace(found, runs=tuple(runs)))
    ]
    assert "Phases and scores of 12 runs as they stand in files." in found.notes
    assert len(comparison_json(found)) > 1000


def test_runs_of_a_file_are_paired_with_those_of_a_store(tmp_path: Path) -> None:
    runs = families(comparison(seeds=3))
    kept = read(as_csv(runs[::2]), tmp_path)
    mixed = [observation(run) for run in (*runs[1::2], *kept)]
    together = findings(mixed)
    expected = findings([observation(run) for run in runs])
    for one, other in zip(together, expected, strict=True):
        assert [effect.pairs for effect in one.effects] == [
            effect.pairs for effect in other.effects
        ]


def cells(**changes: str) -> str:
    """Return a file of one run, some of whose cells are others."""
    (row,) = csv.DictReader(io.StringIO(as_csv([described(RECORD)])))
    out = io.StringIO()
    writer = csv.DictWriter(out, row, lineterminator="\n")
    writer.writeheader()
    writer.writerow(row | changes)
    return out.getvalue()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fit": "soon"}, "fit: 'soon' is no number of steps"),
        ({"fit": "-1"}, "fit: '-1' is no number of steps"),
        ({"onset": "1.5"}, "onset: '1.5' is no number of steps"),
        ({"test_peak": "9" * 5000}, "test_peak: '9999"),
        ({"spikes": "80 x"}, "spikes: '80 x' is no number of steps"),
        ({"fit_to": "²"}, "fit_to: '²' is no number of steps"),
        ({"fit_break_cka": "nan"}, "fit_break_cka: 'nan' is no finite number"),
        ({"synchrony_regions": "1e999"}, "synchrony_regions: '1e999' is no finite number"),
        ({"train_acc": "all"}, "train_acc: 'all' is no finite number"),
        ({"started": "yesterday"}, "started: 'yesterday' is no date"),
        ({"run_id": ""}, "run_id is empty"),
    ],
)
def test_a_cell_without_a_value_is_told_with_its_line(
    changes: dict[str, str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        read(cells(**changes), tmp_path)
    assert told in str(error.value)
    assert "runs.csv, line 2: " in str(error.value)


def nothing(_: Path) -> None:
    pass


def content(text: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (nothing, "No such file"),
        (Path.mkdir, "Is a directory"),
        (os.mkfifo, "a pipe"),
        (content(""), "no column run_id, name, family"),
        (content("a,b\n1,2\n"), "no column run_id, name, family"),
        (content(cells().replace("family", "tribe", 1)), "no column family;"),
        (content(cells().rstrip("\n") + ",more\n"), "line 2: does not have as many cells"),
        (content(cells() + "only\n"), "line 3: does not have as many cells"),
        (content(cells() + '"open\n'), "not a CSV file"),
        (content(b"\xff\xfe\x00"), "not a CSV file"),
        (content(cells() + "x" * 200_000), "not a CSV file"),
    ],
)
def test_a_file_that_is_none_is_refused(
    make: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    make(path)
    with pytest.raises(UserError) as error:
        read_csv(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)


@given(text=st.text() | st.text().map(lambda noise: cells() + noise))
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = read_csv(path)
    except UserError:
        return
    assert all(run.summary.run_id for run in found)


def test_a_mark_of_byte_order_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (plain_one,) = read(cells(), tmp_path)
    (found,) = read("\ufeff" + cells().replace("\n", "\r\n"), tmp_path)
    assert found == plain_one


def test_a_hostile_run_stays_one_row(tmp_path: Path) -> None:
    params = {HOSTILE: HOSTILE, "arch": HOSTILE}
    run = replace(RECORD, summary=replace(RECORD.summary, name=HOSTILE, params=params))
    assert len(read(as_csv([described(run), described(RECORD)]), tmp_path)) == 2
