"""What reads the files of a run, each with a whole file to begin with: for fuzzing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES
from repdyn.records import Dynamics, LabelMaps, Phases, PlaneSet
from repdyn.storage import codec, schema
from tests.support import stored as made


@dataclass(frozen=True)
class Target:
    """A reader of one file, and the file as repdyn writes it."""

    path: str
    content: bytes
    decode: Callable[[bytes], object]
    says: str = "damaged"


def targets() -> list[Target]:
    """Return the readers of all files."""
    dynamics = dict(codec.encode_dynamics(made.dynamics()))
    maps = schema.label_maps_path(4)
    rows = schema.summaries_path("cka", 4)
    values = np.linspace(-1, 1, 30, dtype=np.float16).reshape(3, 10)
    phases = Phases(
        onset=3,
        fit=9,
        change_points=((), (2, 5), (7,)),
        joint=(5,),
        intervals={"fit": (9, 11)},
        change_intervals=((), ((1, 2), (3, 6)), ((5, 7),)),
        joint_intervals=((2, 7),),
    )
    return [
        *(Target(path, content, partial(_dynamics, path)) for path, content in dynamics.items()),
        Target(
            maps,
            codec.encode_label_maps(made.label_maps()),
            lambda content: codec.decode_label_maps(maps, content, 4, 3),
        ),
        Target(
            rows,
            codec.encode_summaries(values),
            lambda content: codec.decode_summaries("cka", rows, content, 3),
        ),
        Target(schema.PLANES, codec.encode_planes(made.planes()), codec.decode_planes),
        Target(
            schema.PHASES,
            codec.encode_phases(phases, made.LAYERS),
            codec.decode_phases,
        ),
    ]


_FILES = dict(codec.encode_dynamics(made.dynamics()))


def _dynamics(path: str, content: bytes) -> Dynamics:
    files = _FILES | {path: content}
    return codec.decode_dynamics(made.reading(files))


def read_as_a_user(target: Target, content: bytes) -> bool:
    """Read a file that may be anything; say whether it was taken for a whole one.

    Raises:
        AssertionError: what came out is neither a sound record nor one line.
    """
    try:
        record = target.decode(content)
    except UserError as error:
        said = str(error)
        assert target.says in said, said
        assert len(said) < 1000, said
        assert len(said.splitlines()) == 1, said
        return False
    _check(record)
    return True


def _check(record: object) -> None:
    match record:
        case Dynamics(layers=layers, steps=steps):
            count, e = len(layers), len(steps)
            assert (np.diff(steps) > 0).all()
            assert (
                record.similarity["cka"].shape == record.matrices("regions").shape == (count, e, e)
            )
            assert record.similarity["regions"][-1].shape == (e, e)
            assert record.probe_acc.shape == (count, e, 3)
            assert record.fragmentation.shape == record.areas.shape[:2] == (count + 1, e)
            assert not any(
                np.isinf(a).any() for a in (record.similarity["cka"], record.fragmentation)
            )
            assert np.nanmax(np.abs(record.similarity["cka"]), initial=0) < 1.01
        case LabelMaps(maps=maps, fine=fine):
            assert len(maps) == len(fine) == 4
        case PlaneSet():
            assert len(record.anchors) == len(record.labels) == len(record.kinds)
        case Phases():
            assert all(isinstance(epoch, int) for epoch in record.markers().values())
        case None:
            pass  # the target has looked itself
        case _:
            assert isinstance(record, np.ndarray)
            assert record.dtype.name in MEASURES["cka"].dtypes
            assert len(record) == 3
