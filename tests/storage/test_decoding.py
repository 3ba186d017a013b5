"""Arrays and JSON of strangers: refused by what they announce, before memory is taken."""

import dataclasses
import io
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from repdyn.errors import UserError
from repdyn.records import MOST_CLASSES
from repdyn.storage import codec, decoding
from tests.storage.test_codec import as_schema_1, decoded, npy, stored
from tests.support import stored as made

MEGABYTE = 2**20
FLOATS: decoding.Kind = (np.float32, 2)
MAPS = {"maps": (np.uint8, 4), "fine": (np.uint8, 4)}


def header(shape: str, descr: str = "'<f4'") -> bytes:
    said = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    said = said.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(said).to_bytes(2, "little") + said


def npz(**members: bytes) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return out.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.zeros((3, 0), np.float32),
        np.array([[np.nan, np.inf]], np.float32),
    ],
)
def test_what_numpy_saves_is_read(array: np.ndarray) -> None:
    read = decoding.read_npy("x", npy(array), FLOATS)
    np.testing.assert_array_equal(read, array)
    assert read.flags.writeable


def test_names_of_any_length_are_read() -> None:
    names = np.array(["", "é" * 300, "犬"])
    read = decoding.read_npy("x", npy(names), (np.str_, 1))
    assert read.tolist() == names.tolist()


HUGE = f"({10**9}, {10**9})"
STRANGE = {
    "a shape that takes an exabyte": header(HUGE),
    "an empty shape that is huge": header(f"({10**17}, 0)"),
    "a shape beyond 64 bits": header(f"({2**64}, 1)"),
    "a negative shape": header("(-1, 1)"),
    "no shape": header("None"),
    "a header without an end": b"\x93NUMPY\x01\x00\xff\xff{" + b"1" * 70_000,
    "many digits": header("1" * 90),
    "nested deep": b"\x93NUMPY\x01\x00\x90\x01" + b"[" * 400,
    "code": header("__import__('os').abort()"),
    "another version": b"\x93NUMPY\x03\x00" + header("(1, 1)")[8:] + bytes(4),
    "big-endian": npy(np.zeros((2, 2), ">f4")),
    "doubles": npy(np.zeros((2, 2))),
    "fields": npy(np.zeros((2, 2), [("a", "<f4")])),
    "more bytes than announced": npy(np.zeros((2, 2), np.float32)) + b"\0",
    "fewer bytes than announced": npy(np.zeros((2, 2), np.float32))[:-1],
    "another number of dimensions": npy(np.zeros(4, np.float32)),
    "an archive": npz(x=npy(np.zeros((2, 2), np.float32))),
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_what_is_no_such_array_is_damage(content: bytes) -> None:
    with pytest.raises(UserError, match="x: damaged"):
        decoding.read_npy("x", content, FLOATS)


def test_characters_that_do_not_exist_are_damage() -> None:
    content = npy(np.array(["ab"]))[:-4] + (0x110000).to_bytes(4, "little")
    with pytest.raises(UserError, match="characters"):
        decoding.read_npy("x", content, (np.str_, 1))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{", "\ud800", '{"a": 1'])
def test_json_that_is_none_is_damage(text: str) -> None:
    with pytest.raises(UserError, match="x: damaged"):
        decoding.read_json("x", text.encode("utf-8", "surrogatepass"))


def bomb() -> bytes:
    """Return a member that unpacks to 40 MB and announces 400 bytes."""
    content = npz(maps=header("(1, 1, 20, 20)", "'|u1'") + bytes(40 * MEGABYTE), fine=b"")
    size = (40 * MEGABYTE + 128).to_bytes(4, "little")
    assert content.count(size) >= 2
    return content.replace(size, (528).to_bytes(4, "little"))


def listed(count: int) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w") as packed:
        for i in range(count):
            packed.writestr(str(i), b"")
    return out.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        bomb,
        lambda: npz(maps=header("(1, 1, 20000, 20000)", "'|u1'") + bytes(100), fine=b""),
        lambda: listed(5000),
        lambda: npz(maps=npy(np.zeros((1, 1, 2, 2), np.uint8))),
        lambda: npz(maps=zlib.compress(b"x"), fine=b""),
    ],
    ids=["bomb", "announces more than there is", "many members", "one missing", "no arrays"],
)
def test_a_bad_archive_takes_no_memory(make: Callable[[], bytes]) -> None:
    content = make()
    assert peak_of_refusing(lambda: decoding.read_npz("x", content, MAPS, MEGABYTE)) < 2 * MEGABYTE


def test_an_archive_is_not_unpacked_beyond_its_bound() -> None:
    content = npz(maps=npy(np.zeros((1, 1, 4000, 4000), np.uint8)), fine=b"")
    assert len(content) < MEGABYTE
    assert peak_of_refusing(lambda: decoding.read_npz("x", content, MAPS, MEGABYTE)) < MEGABYTE


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_a_bad_array_takes_no_memory(content: bytes) -> None:
    refusing = peak_of_refusing(lambda: decoding.read_npy("x", content, FLOATS))
    assert refusing < MEGABYTE / 2


def peak_of_refusing(read: Callable[[], object]) -> int:
    """Return the most memory that was taken until the file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_files_are_asked_for_with_the_size_that_the_layers_allow() -> None:
    files, asked = stored(made.dynamics()), {}

    def read(path: str, most: int) -> bytes:
        asked[path] = most
        return made.reading(files)(path, most)

    codec.decode_dynamics(read)
    assert all(len(files[path]) <= most for path, most in asked.items() if path in files)
    areas = asked.pop("dynamics/areas.npy")  # how many classes there are is not known before
    assert areas <= 4 * (4 + 64) * MOST_CLASSES * 4 + 2**10
    assert max(most for path, most in asked.items() if path.endswith(".npy")) < MEGABYTE


ONE = np.ones((3, 4, 4), np.float32)
WRONG = {
    "cka": [ONE * np.inf, ONE * 1.1, ONE * -2, ONE[:, :3], ONE[:, :, :3], ONE[0]],
    "regions": [np.ones((4, 4, 4), np.float32) * 1.1, -np.ones((4, 4, 4), np.float32)],
    "output_regions": [ONE[0] * 1.1, ONE[0, :3]],
    "probe_acc": [np.full((3, 4, 3), 1.1, np.float32)],
    "fragmentation": [np.full((4, 4), -1, np.float32), np.full((4, 4), np.inf, np.float32)],
    "areas": [np.full((4, 4, 3), np.inf, np.float32), np.zeros((3, 4, 3), np.float32)],
}


@pytest.mark.parametrize(
    ("name", "array"), [(name, array) for name, arrays in WRONG.items() for array in arrays]
)
def test_values_that_cannot_be_are_damage(name: str, array: np.ndarray) -> None:
    path = f"dynamics/{name}.npy"
    whole = stored(made.dynamics())
    files = as_schema_1(whole) if name == "output_regions" else whole
    with pytest.raises(UserError, match=rf"{name}\.npy: damaged"):
        decoded(files | {path: npy(array)})


def test_what_is_not_defined_is_whole() -> None:
    files = stored(made.dynamics()) | {"dynamics/cka.npy": npy(ONE * np.nan)}
    assert np.isnan(decoded(files).similarity["cka"]).all()


@pytest.mark.parametrize(
    "names",
    [
        ["a\x1b[2J", "b", "c"],
        ["a\nb", "b", "c"],
        ["a", "a", "b"],
        ["", "b", "c"],
        ["a" * 1000, "b", "c"],
        ["\ud800", "b", "c"],
        ["a", ["b"], "c"],
        [f"layer{i}" for i in range(10_000)],
    ],
)
def test_names_that_are_none_are_damage(names: list[object]) -> None:
    with pytest.raises(UserError, match=r"layers\.json: damaged"):
        decoded(stored(made.dynamics()) | {"dynamics/layers.json": json.dumps(names).encode()})


@pytest.mark.parametrize("epochs", [[0, 1, 2, 10**15 + 1], [-(2**63), 2**63 - 1], [0, 1, 1, 2]])
def test_epochs_that_cannot_be_are_damage(epochs: list[int]) -> None:
    files = stored(made.dynamics()) | {"dynamics/epochs.npy": npy(np.array(epochs))}
    with pytest.raises(UserError, match=r"epochs\.npy: damaged"):
        decoded(files)


@pytest.mark.parametrize("epoch", [1e400, 10**50, -1, True, 2.5, "3", [1]])
def test_phases_at_epochs_that_cannot_be_are_damage(epoch: object) -> None:
    said = {"onset": epoch, "fit": 9, "test_min": None, "test_peak": None, "change_points": []}
    with pytest.raises(UserError, match=r"phases\.json: damaged"):
        codec.decode_phases(json.dumps(said).encode())


def test_label_maps_and_rows_of_other_layers_are_damage() -> None:
    maps = codec.encode_label_maps(made.label_maps())
    assert codec.decode_label_maps("x", maps, 4, layers=3)
    with pytest.raises(UserError, match="for 2 layers"):
        codec.decode_label_maps("x", maps, 4, layers=2)
    rows = codec.encode_summaries(np.ones((3, 5), np.float16))
    with pytest.raises(UserError, match="for 2 layers"):
        codec.decode_summaries("cka", "x", rows, layers=2)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.full((5, 3), 3)},
        {"kinds": np.full(5, 7)},
        {"fine": np.array([5])},
        {"coords": np.full((5, 3, 2), np.nan)},
        {"extent": np.full((5, 4), np.inf)},
        {"anchors": np.zeros((5, 2, 1, 8, 8), np.uint8)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_planes_that_cannot_be_are_damage(change: dict[str, Any]) -> None:
    planes = dataclasses.replace(made.planes(), **change)
    with pytest.raises(UserError, match=r"planes\.npz: damaged"):
        codec.decode_planes(codec.encode_planes(planes))
