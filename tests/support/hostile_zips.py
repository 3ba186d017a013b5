"""Zips and arrays as an attacker would write them; all are small, whatever they announce."""

import io
import warnings
from collections.abc import Sequence
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np

ENTRY, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
REAL_SIZE = 60 * 2**20
"""Bytes of a bomb when it is unpacked."""


def packed(members: Sequence[tuple[str, bytes]], method: int = ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        with ZipFile(out, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content)
    return out.getvalue()


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=pickled)
    return out.getvalue()


def announced(descr: str, shape: str, content: bytes = b"", fortran: str = "False") -> bytes:
    """Return an array whose header says what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def resized(content: bytes, name: str, size: int) -> bytes:
    """Let a zip say of an entry that it unpacks to another number of bytes, in both places."""
    changed = bytearray(content)
    for start, size_at, name_at in ((LOCAL, 22, 30), (ENTRY, 24, 46)):
        at = content.find(start)
        while at >= 0:
            if content[at + name_at :].startswith(name.encode()):
                changed[at + size_at : at + size_at + 4] = size.to_bytes(4, "little")
            at = content.find(start, at + 1)
    return bytes(changed)


def patched(content: bytes, name: str, offset: int, value: bytes) -> bytes:
    """Write bytes into an entry of a zip's list."""
    at = listed(content, name) + offset
    return content[:at] + value + content[at + len(value) :]


def listed(content: bytes, name: str) -> int:
    """Return where a zip lists an entry."""
    at = content.find(ENTRY)
    while not content[at + 46 :].startswith(name.encode()):
        at = content.find(ENTRY, at + 1)
    return at


def place(content: bytes, name: str) -> bytes:
    """Return where an entry lies, as a zip lists it."""
    at = listed(content, name) + 42
    return content[at : at + 4]


class Bomb:
    """Ends the process when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        import os

        return os._exit, (99,)


def hostile(members: Sequence[tuple[str, bytes]], name: str) -> dict[str, bytes]:
    """Return what may become of a whole zip: by what is wrong with one of its entries.

    Args:
        members: names and contents of the whole one.
        name: of the entry.
    """
    rest = [(each, content) for each, content in members if each != name]
    content = dict(members)[name]
    whole = packed(members)
    zeros = bytes(REAL_SIZE)

    def holding(inside: bytes, method: int = ZIP_DEFLATED) -> bytes:
        return packed([*rest, (name, inside)], method)

    bomb = holding(content + zeros)
    return {
        "a bomb that says so": bomb,
        "a bomb that says less": resized(bomb, name, len(content)),
        "a bomb that says nothing": resized(bomb, name, 0),
        "more announced than there is": resized(whole, name, 2**31),
        "as much announced as a zip can": resized(whole, name, 2**32 - 2),
        "twice the same name": packed([*members, (name, content)]),
        "the name with a path": packed([*rest, (f"../{name}", content)]),
        "the name from the root": packed([*rest, (f"/{name}", content)]),
        "the name with a drive": packed([*rest, (f"C:\\{name}", content)]),
        "a folder": packed([*rest, (f"{name}/", b"")]),
        "uses an unsupported compression": holding(content, ZIP_BZIP2),
        "of an unknown method": patched(whole, name, 10, b"\x63\x00"),
        "encrypted": patched(whole, name, 8, b"\x01\x00"),
        "over another entry": patched(whole, name, 42, place(whole, rest[-1][0])),
        "beyond the end": patched(whole, name, 42, b"\xff\xff\xff\x7f"),
        "another checksum": patched(whole, name, 16, b"\0\0\0\0"),
        "truncated": whole[: len(whole) // 2],
        "without its list": whole[: whole.find(ENTRY)],
        "only its list": whole[whole.find(ENTRY) :],
        "empty": b"",
        "of many entries": packed([*members, *((f"{i}", b"") for i in range(20_000))], ZIP_STORED),
    }


def arrays(descr: str, dims: int) -> dict[str, bytes]:
    """Return arrays that no file may have in place of one of a type and number of dimensions."""
    ones = ", ".join(["1"] * (dims - 1))
    two = np.zeros((2,) * dims, descr)
    return {
        "objects": npy(np.array([Bomb()], dtype=object), pickled=True),
        "objects announced": announced("'|O'", f"(1, {ones},)"),
        "a negative side": announced(f"'{descr}'", f"(-1, {ones},)"),
        "a huge side": announced(f"'{descr}'", f"({10**12}, {ones},)"),
        "sides whose product is 0 in 64 bits": announced(f"'{descr}'", f"({2**32}, {2**32},)"),
        "empty but huge": announced(f"'{descr}'", f"({10**17}, 0,)"),
        "no sides": announced(f"'{descr}'", "None"),
        "code for a shape": announced(f"'{descr}'", "__import__('os')._exit(99)"),
        "code for a type": announced("__import__('os')._exit(99)", f"(1, {ones},)"),
        "neither order": announced(f"'{descr}'", f"(1, {ones},)", two.tobytes(), "None"),
        "fields": npy(np.zeros((2,) * dims, [("a", descr)])),
        "complex numbers": npy(np.zeros((2,) * dims, np.complex64)),
        "times": npy(np.zeros((2,) * dims, "<M8[s]")),
        "one dimension more": npy(np.zeros((2,) * (dims + 1), descr)),
        "truncated": npy(two)[:-1],
        "longer": npy(two) + b"\0",
        "no content": b"",
        "a zip": packed([("x.npy", npy(two))]),
        "text": b"1,2,3\n",
    }
