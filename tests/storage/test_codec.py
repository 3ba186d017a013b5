"""What is stored comes back as it was; what is damaged is said to be."""

import dataclasses
import io
import json
import pickle

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.errors import UserError
from repdyn.records import Dynamics, LabelMaps, Phases
from repdyn.storage import codec, schema
from tests.support import stored as made


def assert_same(a: object, b: object) -> None:
    assert dataclasses.is_dataclass(a)
    for field in dataclasses.fields(a):
        one, other = (dict(arrays(getattr(each, field.name))) for each in (a, b))
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], f"{field.name} {name}")


def arrays(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {"": value}


def stored(dynamics: Dynamics) -> dict[str, bytes]:
    return dict(codec.encode_dynamics(dynamics))


def as_schema_1(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of a run as they were: the output's matrix in one of its own."""
    regions = np.load(io.BytesIO(files["dynamics/regions.npy"]))
    apart = {"dynamics/regions.npy": regions[:-1], "dynamics/output_regions.npy": regions[-1]}
    return files | {path: npy(array) for path, array in apart.items()}


def decoded(files: dict[str, bytes]) -> Dynamics:
    return codec.decode_dynamics(made.reading(files))


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_dynamics_come_back() -> None:
    dynamics = made.dynamics()
    assert_same(decoded(stored(dynamics)), dynamics)


def test_schema_1_comes_back() -> None:
    dynamics = made.dynamics()
    assert_same(decoded(as_schema_1(stored(dynamics))), dynamics)


def test_a_matrix_without_its_output_is_damage_and_no_run_without_the_measure() -> None:
    files = as_schema_1(stored(made.dynamics()))
    del files["dynamics/output_regions.npy"]
    with pytest.raises(UserError, match=r"regions\.npy: damaged"):
        decoded(files)


@pytest.mark.parametrize("name", ["cka", "regions"])
def test_a_measure_without_a_file_is_a_missing_feature(name: str) -> None:
    dynamics = made.dynamics()
    files = stored(dynamics)
    del files[f"dynamics/{name}.npy"]
    found = decoded(files)
    assert found.similarity.keys() == dynamics.similarity.keys() - {name}
    assert len(found.steps) == len(dynamics.steps)


@pytest.mark.parametrize("name", list(schema.ERRORS))
def test_errors_without_a_file_are_a_missing_feature_and_so_are_those_of_no_measure(
    name: str,
) -> None:
    dynamics = made.dynamics()
    for lost in (schema.ERRORS[name], name):
        files = stored(dynamics)
        del files[f"dynamics/{lost}.npy"]
        found = decoded(files)
        assert found.errors.keys() == dynamics.errors.keys() - {name}
        assert len(found.steps) == len(dynamics.steps)


@pytest.mark.parametrize("value", [-0.1, 1e6, np.inf])
def test_errors_out_of_range_are_damage(value: float) -> None:
    files = stored(made.dynamics())
    errors = np.load(io.BytesIO(files["dynamics/cka_error.npy"]))
    errors[0, 0, 1] = value
    with pytest.raises(UserError, match=r"cka_error\.npy: damaged \(values out of range"):
        decoded(files | {"dynamics/cka_error.npy": npy(errors)})


@pytest.mark.parametrize("name", list(schema.ARRAYS))
def test_another_array_without_a_file_is_a_missing_feature_too(name: str) -> None:
    dynamics = made.dynamics()
    files = stored(dynamics)
    del files[f"dynamics/{name}.npy"]
    found = decoded(files)
    assert found.steps.tolist() == dynamics.steps.tolist()
    assert np.isnan(getattr(found, name)).all()
    assert getattr(found, name).shape[:2] == getattr(dynamics, name).shape[:2]
    for other in schema.ARRAYS.keys() - {name}:
        np.testing.assert_array_equal(getattr(found, other), getattr(dynamics, other))


def test_layers_and_steps_alone_are_a_run_without_measures() -> None:
    files = stored(made.dynamics())
    found = decoded({name: files[name] for name in (schema.LAYERS, schema.EPOCHS)})
    assert not found.similarity
    assert found.probe_acc.shape == (3, 4, 3)
    assert found.areas.shape == (4, 4, 0)


def test_the_layout_is_the_documented_one() -> None:
    files = stored(made.dynamics())
    assert np.load(io.BytesIO(files["dynamics/cka.npy"])).shape == (3, 4, 4)
    assert np.load(io.BytesIO(files["dynamics/epochs.npy"])).tolist() == [0, 1, 2, 4]
    assert json.loads(files["dynamics/layers.json"]) == list(made.LAYERS)
    assert schema.checkpoint_path(7) == "checkpoints/epoch_00007.safetensors"
    assert schema.label_maps_path(12345) == "regions/epoch_12345.npz"
    assert schema.summaries_path("cka", 0) == "grams/epoch_00000.npy"


@given(written=st.integers(0, 7))
def test_files_that_are_being_replaced_are_read_up_to_the_checkpoint_all_have(written: int) -> None:
    old, new = stored(made.dynamics(4)), stored(made.dynamics(5))
    half_way = old | dict(list(new.items())[:written])
    read = decoded(half_way)
    whole = len(new) == written
    assert_same(read, decoded(new if whole else old))


def test_label_maps_planes_and_rows_come_back() -> None:
    maps = made.label_maps(4)
    assert_same(codec.decode_label_maps("x", codec.encode_label_maps(maps), 4), maps)
    planes = made.planes()
    assert_same(codec.decode_planes(codec.encode_planes(planes)), planes)
    rows = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float16)
    np.testing.assert_array_equal(
        codec.decode_summaries("cka", "x", codec.encode_summaries(rows)), rows
    )


def test_label_maps_of_many_classes_come_back() -> None:
    rng = np.random.default_rng(0)
    maps = LabelMaps(
        4,
        rng.integers(0, 65_536, (4, 5, 6, 6), dtype=np.uint16),
        rng.integers(0, 300, (4, 2, 9, 9), dtype=np.uint16),
    )
    read = codec.decode_label_maps("x", codec.encode_label_maps(maps), 4, 3)
    assert_same(read, maps)
    assert read.maps.dtype == np.uint16


@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.int64, ">u2"])
def test_label_maps_of_another_type_are_damage(dtype: npt.DTypeLike) -> None:
    maps = LabelMaps(4, np.zeros((4, 5, 6, 6), dtype), np.zeros((4, 2, 9, 9), dtype))
    with pytest.raises(UserError, match="damaged"):
        codec.decode_label_maps("x", codec.encode_label_maps(maps), 4, 3)


def test_planes_and_dynamics_of_many_classes_come_back() -> None:
    names = tuple(f"class {i}" for i in range(65_536))
    labels = np.full((5, 3), 65_535)
    planes = dataclasses.replace(made.planes(), classes=names, labels=labels, true_labels=labels)
    assert_same(codec.decode_planes(codec.encode_planes(planes)), planes)
    dynamics = made.dynamics(classes=300)
    assert_same(decoded(stored(dynamics)), dynamics)


PHASES = Phases(onset=3, fit=9, change_points=((), (2, 5), (7,)), spikes=(12,))
WITH_INTERVALS = dataclasses.replace(
    PHASES,
    joint=(5,),
    intervals={"onset": (2, 3), "fit": (9, 11)},
    change_intervals=((), ((1, 2), (3, 6)), ((5, 7),)),
    joint_intervals=((2, 7),),
)


@pytest.mark.parametrize("phases", [Phases(), PHASES, WITH_INTERVALS])
def test_phases_come_back(phases: Phases) -> None:
    assert codec.decode_phases(codec.encode_phases(phases, made.LAYERS)) == phases


def test_phases_from_before_there_were_intervals_are_read_without() -> None:
    said = json.loads(codec.encode_phases(WITH_INTERVALS, made.LAYERS))
    for name in ("joint", "intervals", "change_intervals", "joint_intervals"):
        del said[name]
    assert codec.decode_phases(json.dumps(said).encode()) == PHASES


@pytest.mark.parametrize(
    "damage",
    [
        {"intervals": [1, 2]},
        {"intervals": {"fit": [1]}},
        {"joint_intervals": [[1, 2, 3]]},
        {"joint_intervals": [[1, 2], [3, 4]]},
        {"change_intervals": [[], [], []]},
    ],
)
def test_damaged_intervals_are_said_to_be(damage: dict[str, object]) -> None:
    said = json.loads(codec.encode_phases(WITH_INTERVALS, made.LAYERS)) | damage
    with pytest.raises(UserError, match=r"phases\.json: damaged"):
        codec.decode_phases(json.dumps(said).encode())


def test_metrics_are_those_of_the_last_checkpoint() -> None:
    dynamics = made.dynamics()
    metrics = codec.layer_metrics(dynamics)
    assert metrics["watched/probe_acc/stem"] == dynamics.probe_acc[0, 3, 0]
    assert metrics["watched/fragmentation/output"] == dynamics.fragmentation[3, 3]
    assert len(metrics) == 4 * 3 + 2


def test_a_layers_drift_is_that_over_a_ratio_of_steps_of_one_and_a_half() -> None:
    dynamics = made.dynamics()
    at = np.log(np.maximum(dynamics.steps, 0.5))
    steady = np.exp(-0.3 * np.abs(at[:, None] - at))
    similarity = {name: np.stack([steady] * len(of)) for name, of in dynamics.similarity.items()}
    metrics = codec.layer_metrics(dataclasses.replace(dynamics, similarity=similarity))
    expected = 1 - 1.5**-0.3
    assert metrics["watched/cka_drift/block"] == pytest.approx(expected)
    assert metrics["watched/regions_drift/output"] == pytest.approx(expected)


def test_too_few_checkpoints_have_no_drift() -> None:
    assert not any("drift" in name for name in codec.layer_metrics(made.dynamics(2)))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("dynamics/cka.npy", b""),
        ("dynamics/cka.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'"),
        ("dynamics/cka.npy", pickle.dumps(Bomb())),
        ("dynamics/cka.npy", npy(np.zeros((2, 4, 4), np.float32))),
        ("dynamics/cka.npy", npy(np.zeros((3, 4, 5), np.float32))),
        ("dynamics/cka.npy", npy(np.zeros((3, 4), np.float32))),
        ("dynamics/cka.npy", npy(np.zeros((3, 4, 4), np.int32))),
        ("dynamics/cka.npy", stored(made.dynamics())["dynamics/cka.npy"][:-7]),
        ("dynamics/epochs.npy", npy(np.array([0, 2, 1, 4]))),
        ("dynamics/epochs.npy", npy(np.array([-1, 2, 3, 4]))),
        ("dynamics/epochs.npy", npy(np.array([0.0, 1.0]))),
        ("dynamics/layers.json", b"{"),
        ("dynamics/layers.json", b'{"a": 1}'),
        ("dynamics/layers.json", b"[]"),
        ("dynamics/probe_acc.npy", npy(np.zeros((3, 4, 2), np.float32))),
        ("dynamics/regions.npy", npy(np.zeros((2, 4, 4), np.float32))),
        ("dynamics/regions.npy", npy(np.zeros((5, 4, 4), np.float32))),
        ("dynamics/output_regions.npy", npy(np.zeros((3, 4, 4), np.float32))),
    ],
)
def test_damage_is_named(path: str, content: bytes) -> None:
    whole = stored(made.dynamics())
    files = (as_schema_1(whole) if "output" in path else whole) | {path: content}
    with pytest.raises(UserError, match="damaged"):
        decoded(files)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_damage_and_nothing_worse(content: bytes) -> None:
    for decode in (
        codec.decode_planes,
        codec.decode_phases,
        lambda raw: codec.decode_label_maps("x", raw, 0),
        lambda raw: codec.decode_summaries("cka", "x", raw),
    ):
        with pytest.raises(UserError, match="damaged"):
            decode(content)


def test_an_array_of_objects_is_not_unpickled() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="damaged"):
        codec.decode_summaries("cka", "x", buffer.getvalue())
