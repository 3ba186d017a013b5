"""What is trained can be read: both sides of each bound."""

import io
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES
from repdyn.records import MOST_CLASSES
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.footprint import Footprint, footprint
from repdyn.runs.readable import check_readable
from repdyn.settings.text import from_settings
from repdyn.storage import codec, run_artifacts, schema
from repdyn.storage.run_artifacts import buffer_inside, read_inside
from tests.support import stored as made

SETTINGS = {
    "width": "0.0625",
    "epochs": "4",
    "checkpoints": "3",
    "planes": "6",
    "probe_images": "50",
    "probe_train": "50",
    "train_size": "100",
    "layers": "stem|logits",
}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return prepare(from_settings(SETTINGS))


def of_size(experiment: Experiment, layers: int = 2, classes: int = 10) -> Experiment:
    return replace(
        experiment,
        layers=experiment.layers[:1] * layers,
        images=replace(experiment.images, classes=("x",) * classes),
    )


def largest(fits: Callable[[int], bool]) -> int:
    """Return the largest number that fits, by halving."""
    low, high = 1, 10**6
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@pytest.mark.parametrize(("layers", "classes"), [(2, 10), (50, 10), (4096, 2), (60, MOST_CLASSES)])
def test_matrices_that_are_too_large_to_be_read_are_refused(
    layers: int, classes: int, experiment: Experiment
) -> None:
    sized, taken = of_size(experiment, layers, classes), Footprint(0, 0, 0, 0, 0, 0)

    def refusal(checkpoints: int) -> str:
        try:
            check_readable(sized, taken, checkpoints)
        except UserError as error:
            return str(error)
        return ""

    most = largest(lambda checkpoints: not refusal(checkpoints))
    errors = len(schema.ERRORS)
    # the output's regions, and their errors
    matrices = ((len(MEASURES) + errors) * layers + 2) * most**2
    rows = most * (3 * layers + (layers + 1) * (1 + classes))
    assert 0.9 * schema.DYNAMICS_BYTES < 4 * (matrices + rows) < schema.DYNAMICS_BYTES
    (line,) = refusal(most + 1).splitlines()
    assert "`checkpoints`" in line


@pytest.mark.parametrize(
    ("part", "most", "advice"),
    [
        ("maps", schema.ARRAY_BYTES, "`grid`"),
        ("summaries", schema.SUMMARIES_BYTES, "`probe_images`"),
    ],
)
def test_files_that_are_too_large_to_be_read_are_refused(
    part: str, most: int, advice: str, experiment: Experiment
) -> None:
    taken, checkpoints = footprint(experiment), len(experiment.checkpoints)
    check_readable(experiment, taken, checkpoints)
    small, large = (replace(taken, **{part: checkpoints * size}) for size in (most - 2**21, most))
    check_readable(experiment, small, checkpoints)
    with pytest.raises(UserError, match=advice):
        check_readable(experiment, large, checkpoints)


def test_planes_and_layers_that_are_too_many_are_refused(experiment: Experiment) -> None:
    taken = footprint(experiment)
    with pytest.raises(UserError, match="selects 4,097"):
        check_readable(of_size(experiment, 4097), taken, 1)
    measure = replace(experiment.config.measure, planes=100_000)
    large = replace(
        experiment,
        config=replace(experiment.config, measure=measure),
        data=replace(experiment.data, images=torch.empty((1, 3, 64, 64), device="meta")),
    )
    with pytest.raises(UserError, match="use fewer `planes`"):
        check_readable(large, taken, 1)


def sparse(path: Path, shape: tuple[int, ...]) -> None:
    """Write an array of zeros that takes no disk."""
    header = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    path.write_bytes(header.getvalue())
    os.truncate(path, len(header.getvalue()) + 4 * int(np.prod(shape)))


def run_of(folder: Path, layers: int, checkpoints: int, classes: int) -> None:
    names = tuple(f"layer{i}" for i in range(layers))
    small = made.dynamics(1, layers=names)
    for path, content in codec.encode_dynamics(small):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    e = checkpoints
    np.save(folder / "dynamics/epochs.npy", np.arange(e))
    sides = {
        "cka": (layers, e, e),
        "regions": (layers + 1, e, e),
        "cka_error": (layers, e, e),
        "regions_error": (layers + 1, e, e),
        "probe_acc": (layers, e, 3),
        "fragmentation": (layers + 1, e),
        "areas": (layers + 1, e, classes),
    }
    for name, shape in sides.items():
        sparse(folder / f"dynamics/{name}.npy", shape)


@pytest.mark.parametrize(
    ("layers", "checkpoints", "classes", "named"),
    [
        (1, 18_000, 10, "epochs"),
        (1000, 32, MOST_CLASSES, "areas"),
        (2000, 16, MOST_CLASSES, "areas"),
    ],
)
def test_sparse_files_beyond_the_bound_are_refused_before_they_are_read(
    layers: int,
    checkpoints: int,
    classes: int,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_of(tmp_path, layers, checkpoints, classes)
    assert schema.dynamics_bytes(layers, checkpoints, classes) > schema.DYNAMICS_BYTES
    taken: list[int] = []

    def read(path: str, most: int) -> bytes:
        content = read_inside(tmp_path, path, most)
        taken.append(len(content))
        return content

    with pytest.raises(UserError, match=named):
        codec.decode_dynamics(read)
    assert sum(taken) < 2**25


def test_matrices_are_held_once_while_they_are_read(tmp_path: Path) -> None:
    run_of(tmp_path, 4, 400, 2)
    tracemalloc.start()
    try:
        read = codec.decode_dynamics(lambda p, n: buffer_inside(tmp_path, p, n))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    arrays = [*read.similarity.values(), *read.errors.values()]
    assert peak < 1.1 * sum(array.nbytes for array in arrays)
    assert all(array.flags.writeable for array in arrays)


def test_a_file_that_memory_has_no_room_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse(tmp_path / "x.npy", (2**24, 2))
    monkeypatch.setattr(run_artifacts, "available_memory", lambda: 2**26)
    with pytest.raises(UserError, match=r"x\.npy: 134,217,\d\d\d bytes do not fit into memory"):
        buffer_inside(tmp_path, "x.npy", 2**30)


def test_files_at_the_bound_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller bound: both sides of it, by one class."""
    layers, e, classes = 2, 30, 500
    run_of(tmp_path, layers, e, classes)
    bound = schema.dynamics_bytes(layers, e, classes)
    for most, fits in ((bound, True), (bound - 2**10 - 1, False)):
        monkeypatch.setattr(codec, "DYNAMICS_BYTES", most)
        try:
            read = codec.decode_dynamics(lambda p, n: read_inside(tmp_path, p, n))
        except UserError:
            assert not fits
        else:
            assert fits
            assert read.areas.shape == (layers + 1, e, classes)
