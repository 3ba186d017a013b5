"""Arrays and zips of an attacker: one line, little memory, nothing executed or written."""

import io
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from repdyn.errors import UserError
from repdyn.records import LabelMaps
from repdyn.storage import codec
from repdyn.storage.bundle import MOST_FILES, Bundle, pack
from tests.support import stored as made
from tests.support import synthetic
from tests.support.hostile_zips import REAL_SIZE, arrays, hostile, npy, packed

MEGABYTE = 2**20
Reader = Callable[[bytes], object]

LARGEST = {"of many entries": 20 * MEGABYTE, "a bomb that says so": 3 * REAL_SIZE}
"""What is taken where a file may be as large as it says, or a listing as long."""

MAPS = codec.encode_label_maps(made.label_maps())
PLANES = codec.encode_planes(made.planes())
BUNDLE = pack([synthetic.run(count=3, last=10)])
RUN = Bundle(BUNDLE).summaries[0].run_id


def members(content: bytes) -> list[tuple[str, bytes]]:
    with ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def read_maps(content: bytes) -> LabelMaps:
    return codec.decode_label_maps("x", content, 4, 3)


def read_bundle(content: bytes) -> object:
    """Read all that is packed."""
    bundle = Bundle(content)
    if not bundle.summaries:
        raise UserError("no run in it")
    record = bundle.record(RUN)
    assert record.dynamics is not None
    return bundle.planes(RUN), [bundle.label_maps(RUN, int(e)) for e in record.dynamics.steps]


def peak_of_refusing(read: Callable[[], object]) -> int:
    """Return the most memory taken until one line said that the file is damaged."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as raised:
            read()
        assert len(str(raised.value).splitlines()) == 1
        assert len(str(raised.value)) < 400
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ZIPS: list[tuple[str, bytes, Reader]] = [
    ("maps.npy", MAPS, read_maps),
    ("fine.npy", MAPS, read_maps),
    ("anchors.npy", PLANES, codec.decode_planes),
    ("classes.npy", PLANES, codec.decode_planes),
    (f"{RUN}/summary.json", BUNDLE, read_bundle),
    (f"{RUN}/curves.json", BUNDLE, read_bundle),
    (f"{RUN}/scores.json", BUNDLE, read_bundle),
    (f"{RUN}/dynamics/phases.json", BUNDLE, read_bundle),
    (f"{RUN}/dynamics/epochs.npy", BUNDLE, read_bundle),
    (f"{RUN}/regions/planes.npz", BUNDLE, read_bundle),
    (f"{RUN}/regions/epoch_00010.npz", BUNDLE, read_bundle),
]


@pytest.mark.parametrize(("name", "whole", "read"), ZIPS, ids=[name for name, *_ in ZIPS])
def test_a_hostile_zip_is_one_line_and_takes_no_memory(
    name: str, whole: bytes, read: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = members(whole)
    assert name in dict(inside)
    read(packed(inside))
    for what, content in hostile(inside, name).items():
        bound = LARGEST.get(what, 8 * MEGABYTE)
        assert peak_of_refusing(partial(read, content)) < bound, what
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["../x", "/tmp/x", "..\\x", "C:\\x", "x/../../x"])
def test_other_names_in_an_archive_are_not_looked_at(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for whole, read in ((MAPS, read_maps), (BUNDLE, read_bundle)):
        read(packed([*members(whole), (path, b"x")]))
    assert not list(tmp_path.iterdir())


def test_the_files_of_a_bundle_are_counted() -> None:
    with pytest.raises(UserError, match="too many entries"):
        Bundle(packed([(str(i), b"") for i in range(MOST_FILES + 1)]))


def dynamics_reader(path: str) -> Reader:
    files = dict(codec.encode_dynamics(made.dynamics()))
    return lambda content: codec.decode_dynamics(made.reading(files | {path: content}))


def member_reader(whole: bytes, name: str, read: Reader) -> Reader:
    inside = dict(members(whole))
    return lambda content: read(packed([*(inside | {name: content}).items()]))


ARRAYS: list[tuple[str, str, int, Reader]] = [
    *((name, "<f4", 3, dynamics_reader(f"dynamics/{name}.npy")) for name in ("cka", "areas")),
    ("fragmentation", "<f4", 2, dynamics_reader("dynamics/fragmentation.npy")),
    ("epochs", "<i8", 1, dynamics_reader("dynamics/epochs.npy")),
    ("rows", "<f2", 2, lambda content: codec.decode_summaries("cka", "x", content, 3)),
    ("maps", "|u1", 4, member_reader(MAPS, "maps.npy", read_maps)),
    ("anchors", "|u1", 5, member_reader(PLANES, "anchors.npy", codec.decode_planes)),
    ("coords", "<f8", 3, member_reader(PLANES, "coords.npy", codec.decode_planes)),
    ("classes", "<U3", 1, member_reader(PLANES, "classes.npy", codec.decode_planes)),
]


@pytest.mark.parametrize(
    ("descr", "dims", "read"), [a[1:] for a in ARRAYS], ids=[a[0] for a in ARRAYS]
)
def test_a_hostile_array_is_one_line_and_takes_no_memory(
    descr: str, dims: int, read: Reader
) -> None:
    for what, content in arrays(descr, dims).items():
        assert peak_of_refusing(partial(read, content)) < MEGABYTE, what


def test_fortran_order_is_read_as_what_it_is() -> None:
    rows = np.arange(15, dtype=np.float16).reshape(3, 5)
    content = npy(np.asfortranarray(rows))
    assert b"'fortran_order': True" in content
    np.testing.assert_array_equal(codec.decode_summaries("cka", "x", content, 3), rows)
    maps = made.label_maps()
    inside = dict(members(MAPS)) | {"maps.npy": npy(np.asfortranarray(maps.maps))}
    read = read_maps(packed([*inside.items()]))
    np.testing.assert_array_equal(read.maps, maps.maps)


BAD_JSON = [b"", b"null", b"[]", b'"x"', b"[" * 10**5, b"9" * 10**5, b'{"a": 1}', b'{"a": null}']
WRONG = {
    "summary.json": BAD_JSON,
    "scores.json": [*BAD_JSON[:6], b'{"a": null}', b'{"a": [1]}'],
    "curves.json": [
        *BAD_JSON,
        b'{"a": [[1], [1, 2]]}',
        b'{"a": [[1e400], [1]]}',
        b'{"a": [[99999999999999999999], [1]]}',
        b'{"a": [[2, 1], [1, 1]]}',
        b'{"a": [[[1]], [[1]]]}',
        b'{"a": [["x"], [1]]}',
        b'{"a": [1, 2]}',
    ],
}


@pytest.mark.parametrize("name", WRONG)
def test_json_in_a_bundle_that_says_something_else_is_one_line(name: str) -> None:
    read = member_reader(BUNDLE, f"{RUN}/{name}", read_bundle)
    for content in WRONG[name]:
        assert peak_of_refusing(partial(read, content)) < 20 * MEGABYTE, content[:40]


def test_a_run_that_the_bundle_lacks_is_one_line() -> None:
    with pytest.raises(UserError, match="no such run"):
        Bundle(BUNDLE).record("x")
    with pytest.raises(UserError, match="damaged"):
        Bundle(BUNDLE).label_maps(RUN, 9_999)
