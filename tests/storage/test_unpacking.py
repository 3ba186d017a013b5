"""Packed runs in a store of their own are read there as in the bundle."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage.bundle import Bundle, pack
from repdyn.storage.reader import load_label_maps, load_planes, load_run
from repdyn.storage.schema import SCHEMA_TAG, SCHEMA_VERSION
from repdyn.storage.unpacking import DATABASE, unpack
from tests.storage.test_codec import assert_same
from tests.support import synthetic


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(pack([synthetic.run(count=6, last=40)]))


@pytest.fixture(scope="module")
def store(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> StoreConfig:
    return StoreConfig(tracking_uri=unpack(bundle, tmp_path_factory.mktemp("unpacked")))


def test_runs_are_the_same_as_in_the_bundle(bundle: Bundle, store: StoreConfig) -> None:
    (packed,) = bundle.summaries
    named = StoreConfig(tracking_uri=store.tracking_uri, experiment=packed.experiment)
    record, expected = load_run(named, packed.name), bundle.record(packed.run_id)
    stored = record.summary
    assert (stored.name, stored.params) == (packed.name, packed.params)
    assert (stored.status, stored.started, stored.ended) == (
        packed.status,
        packed.started,
        packed.ended,
    )
    kept = packed.tags.items() - {(SCHEMA_TAG, packed.tags[SCHEMA_TAG])}  # is of what was written
    assert kept <= stored.tags.items()
    assert stored.tags[SCHEMA_TAG] == str(SCHEMA_VERSION)
    assert_same(record.dynamics, expected.dynamics)
    assert record.phases == expected.phases
    assert dict(record.scores) == dict(expected.scores)
    for name, curve in expected.curves.items():
        np.testing.assert_array_equal(record.curves[name].steps, curve.steps)
        np.testing.assert_array_equal(record.curves[name].values, curve.values)
    np.testing.assert_array_equal(
        load_planes(named, stored.run_id).anchors, bundle.planes(packed.run_id).anchors
    )
    assert expected.dynamics is not None
    last = int(expected.dynamics.steps[-1])
    np.testing.assert_array_equal(
        load_label_maps(named, stored.run_id, last).fine,
        bundle.label_maps(packed.run_id, last).fine,
    )


def test_nothing_is_written_where_the_runs_are(bundle: Bundle, store: StoreConfig) -> None:
    database = Path(str(store.tracking_uri).removeprefix("sqlite:///"))
    before = database.stat().st_mtime_ns
    assert unpack(bundle, database.parent) == store.tracking_uri
    assert database.stat().st_mtime_ns == before


def test_a_folder_of_something_else_is_left_alone(
    bundle: Bundle, blank_database: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(UserError, match="not empty"):
        unpack(bundle, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(blank_database, other / DATABASE)
    with pytest.raises(UserError, match="experiment"):
        unpack(bundle, other)
