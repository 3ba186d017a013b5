"""Reads untrusted files: pipes and devices are rejected, so that reading never blocks."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def check_regular(path: Path) -> None:
    """Check that a path, links followed, is a regular file.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: it is a folder, or a pipe, a socket or a device, on which a reader would block.
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
        most: maximum number of bytes.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        ValueError: it is larger.
    """
    check_regular(path)
    # a pipe that replaced the file meanwhile is opened without blocking, and is empty
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"larger than {most:,} bytes")
    return content
