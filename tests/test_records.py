"""The types of class indices, and what a run says of itself."""

from dataclasses import replace

import numpy as np
import pytest

from repdyn.records import (
    MOST_CLASSES,
    LabelMaps,
    Phases,
    RunRecord,
    RunSummary,
    class_dtype,
)
from tests.support import stored as made


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [(2, np.uint8), (256, np.uint8), (257, np.uint16), (MOST_CLASSES, np.uint16)],
)
def test_the_type_is_the_smallest_that_holds_the_last_class(classes: int, dtype: type) -> None:
    assert class_dtype(classes) == dtype
    assert np.array([classes - 1]).astype(class_dtype(classes)).tolist() == [classes - 1]


def test_more_classes_than_there_is_a_type_for_are_refused() -> None:
    with pytest.raises(ValueError, match="65537 classes; there can be at most 65536"):
        class_dtype(MOST_CLASSES + 1)


def test_label_maps_with_classes_that_the_planes_do_not_name_do_not_fit() -> None:
    planes = made.planes()
    maps = made.label_maps()
    assert maps.fit(planes)
    strange = maps.maps.astype(np.uint16)
    strange[0, 0, 0, 0] = 256 + 1  # in uint8 it would be class 1, which there is
    assert not LabelMaps(maps.step, strange, maps.fine).fit(planes)


def test_a_run_says_in_a_line_what_it_holds_and_gives_it_by_layer() -> None:
    dynamics = made.dynamics(3)
    summary = RunSummary("id", "run", "e", "FINISHED", 0, 1, {}, {}, {})
    record = RunRecord(summary, dynamics, {}, Phases(), {})
    assert len(repr(record)) < 200
    assert f"3 checkpoints of {len(dynamics.layers)} layers" in repr(record)
    first, output = record[dynamics.layers[0]], record["output"]
    np.testing.assert_array_equal(first["cka"], dynamics.similarity["cka"][0])
    np.testing.assert_array_equal(first["probe_acc"], dynamics.probe_acc[0])
    np.testing.assert_array_equal(output["regions"], dynamics.similarity["regions"][-1])
    assert output.keys() == {"regions", "regions_error", "fragmentation", "areas"}
    with pytest.raises(KeyError, match=r"nothing; there are .*output"):
        record["nothing"]
    unmeasured = replace(record, dynamics=None)
    assert "no checkpoints" in repr(unmeasured)
    with pytest.raises(KeyError, match="no checkpoints yet"):
        unmeasured["output"]


def test_errors_are_cut_to_the_same_checkpoints_as_similarities() -> None:
    dynamics = made.dynamics(4)
    chosen = dynamics.at_checkpoints([0, 2])
    for name, errors in dynamics.errors.items():
        np.testing.assert_array_equal(chosen.errors[name], errors[:, [0, 2]][:, :, [0, 2]])
    of_layers = dynamics.errors_of("regions")
    assert of_layers is not None
    assert of_layers.shape == dynamics.matrices("regions").shape
    assert dynamics.errors_of("knn") is None
