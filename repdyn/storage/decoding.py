"""Decodes arrays and JSON from untrusted bytes; nothing in them is executed.

The size a file declares is checked against its actual bytes before memory is allocated.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from repdyn.errors import UserError

Kind = tuple[type[np.generic] | tuple[type[np.generic], ...], int]
"""The required type of an array, or the types it may have, and its number of dimensions."""

_MAGIC = b"\x93NUMPY\x01\x00"
_HEAD_BYTES = 512
"""Within which the header of an array ends."""

# as numpy writes it; its own reader would evaluate whatever is there
_HEADER = re.compile(
    rb"\{'descr': '(?P<type>[<|][A-Za-z]\d{1,9})', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>|\d{1,18},|\d{1,18}(?:, \d{1,18})+)\), \} *\n"
)
_LARGEST = 2**40
"""Numbers in an array, also of an empty one if its empty axes are omitted."""

_ENTRY = b"PK\x01\x02"
_MOST_ENTRIES = 64
"""In a zip: listing an entry takes a hundred times its bytes."""

_LAST_CHARACTER = 0x10FFFF
_MOST_CHARACTERS = 4096


def damaged(path: str, why: object) -> UserError:
    """Return the error for a damaged file."""
    said = " ".join(str(why).split()) or type(why).__name__
    return UserError(
        f"{path}: damaged ({said[:120]}); recreate it with repdyn analyze RUN --in-place"
    )


def read_json(path: str, content: bytes) -> Any:
    """Return the content of a JSON file.

    Raises:
        UserError: it is not valid JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from None


def read_npy(path: str, content: bytes | memoryview, kind: Kind) -> NDArray[Any]:
    """Return the array that numpy.save wrote; it keeps a memoryview's memory, and copies bytes.

    Raises:
        UserError: it is damaged or of the wrong kind.
    """
    return _array(path, _header(path, bytes(content[:_HEAD_BYTES]), len(content), kind), content)


def read_npz(
    path: str, content: bytes, wanted: Mapping[str, Kind], most: int
) -> dict[str, NDArray[Any]]:
    """Return the requested arrays of those that numpy.savez_compressed wrote.

    Args:
        path: for the message.
        content: of the file.
        wanted: kinds by name.
        most: maximum bytes of these arrays together when unpacked.

    Raises:
        UserError: one is missing, damaged or of the wrong kind, or they are too large.
    """
    arrays: dict[str, NDArray[Any]] = {}
    with opened_zip(path, content, _MOST_ENTRIES) as stored:
        for name, kind in wanted.items():
            array = _member(path, stored, name, kind, most)
            most -= array.nbytes
            arrays[name] = array
    return arrays


@contextmanager
def opened_zip(path: str, content: bytes, most_entries: int) -> Iterator[ZipFile]:
    """Open a zip, and turn any error while it is read into one line.

    Args:
        path: for the message.
        content: of the file.
        most_entries: maximum number of entries.

    Raises:
        UserError: it is damaged, has more entries, or a duplicate name.
    """
    try:
        if content.count(_ENTRY) > most_entries:
            raise damaged(path, "too many entries")
        with ZipFile(io.BytesIO(content)) as stored:
            if len(set(stored.namelist())) < len(stored.namelist()):
                raise damaged(path, "duplicate name")
            yield stored
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib and struct may raise anything on malformed bytes
        raise damaged(path, error) from None


def read_member(path: str, stored: ZipFile, name: str, most: int) -> bytes:
    """Return one entry of a zip, unpacked.

    Args:
        path: for the message.
        stored: the zip.
        name: of the entry.
        most: maximum number of bytes.

    Raises:
        UserError: it is larger, uses an unsupported compression, or is shorter than declared.
    """
    entry = _entry(path, stored, name, most)
    with stored.open(entry) as file:
        # a bounded read: zipfile unpacks without a limit when asked for everything
        content = file.read(entry.file_size)
    if len(content) != entry.file_size:
        raise damaged(path, f"{name} is truncated")
    return content


def _entry(path: str, stored: ZipFile, name: str, most: int) -> ZipInfo:
    """Return a zip's record of an entry, checked against its bounds."""
    entry = stored.getinfo(name)
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise damaged(path, f"{name} uses an unsupported compression")
    if entry.file_size > most:
        raise damaged(path, f"{name} of {entry.file_size:,} bytes is too large")
    return entry


def _member(path: str, stored: ZipFile, name: str, kind: Kind, most: int) -> NDArray[Any]:
    """Return one array of a zip; its header is read before memory is allocated for the rest."""
    entry = _entry(path, stored, f"{name}.npy", most)
    with stored.open(entry) as file:
        head = file.read(min(_HEAD_BYTES, entry.file_size))
        header = _header(f"{path}: {name}", head, entry.file_size, kind)
        # no more than announced, as in read_member
        return _array(f"{path}: {name}", header, head + file.read(entry.file_size - len(head)))


@dataclass(frozen=True)
class _Header:
    """What a file declares about its array: where it starts, its type and its shape."""

    start: int
    type: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def size(self) -> int:
        """Required size of the whole file, in bytes."""
        return self.start + math.prod(self.shape) * self.type.itemsize


def _header(path: str, head: bytes, size: int, kind: Kind) -> _Header:
    """Read a header and check it against the required kind and the size of its file.

    Args:
        path: for the message.
        head: the first bytes of the file.
        size: of the whole file, in bytes.
        kind: required of the array.

    Raises:
        UserError: it does not match.
    """
    start = len(_MAGIC) + 2
    end = start + int.from_bytes(head[len(_MAGIC) : start], "little")
    found = _HEADER.fullmatch(head, start, end)
    if not head.startswith(_MAGIC) or found is None or end > len(head):
        raise damaged(path, "not an array")
    shape = tuple(int(side) for side in found["shape"].decode().replace(",", " ").split())
    written = found["type"].decode()
    dtype = _type(written, kind[0])
    if dtype is None or len(shape) != kind[1]:
        raise damaged(path, f"{written} array of shape {shape}")
    if math.prod(max(side, 1) for side in shape) > _LARGEST:
        raise damaged(path, f"shape {shape} is too large")
    header = _Header(end, dtype, shape, found["fortran"] == b"True")
    if size != header.size:
        raise damaged(path, f"{size:,} bytes, but shape {shape} needs {header.size:,}")
    return header


def _type(
    written: str, wanted: type[np.generic] | tuple[type[np.generic], ...]
) -> np.dtype[Any] | None:
    """Return the declared type if it is a wanted one; text may be of any length."""
    if wanted is not np.str_:
        types = wanted if isinstance(wanted, tuple) else (wanted,)
        return next((np.dtype(each) for each in types if written == np.dtype(each).str), None)
    kind, length = written[:2], int(written[2:])
    return np.dtype(written) if kind == "<U" and 0 < length <= _MOST_CHARACTERS else None


def _array(path: str, header: _Header, content: bytes | memoryview) -> NDArray[Any]:
    if len(content) != header.size:
        raise damaged(path, "truncated")
    # a copy in a bytearray is writable, like any other array
    memory = content if isinstance(content, memoryview) else bytearray(content)
    values: NDArray[Any] = np.frombuffer(memory, header.type, offset=header.start)
    if header.type.kind == "U" and (values.view(np.uint32) > _LAST_CHARACTER).any():
        raise damaged(path, "invalid characters")
    return values.reshape(header.shape, order="F" if header.fortran else "C")
