"""Reading files that anyone may have put there: a pipe or a device is no file, and nothing waits."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def check_regular(path: Path) -> None:
    """Check that a path, links followed, leads to a regular file.

    Raises:
        FileNotFoundError: to none.
        OSError: to a folder, or to a pipe, a socket or a device, on which a reader would wait.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "Is a directory", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(None, "is a pipe, a socket or a device; give a regular file", str(path))


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is larger.
    """
    check_regular(path)
    # a pipe that took the file's place meanwhile is opened without waiting, and has no bytes
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"larger than {most:,} bytes")
    return content
