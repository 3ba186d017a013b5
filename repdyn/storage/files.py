"""Atomic writes: files are complete or absent."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from repdyn.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)

_UNFINISHED = ".repdyn-"
"""Prefix of files that are being written."""


READABLE, PRIVATE = 0o644, 0o600
"""Who may read a file: everyone, or its owner alone."""


class OutsideError(UserError):
    """A path points outside the folder that it must stay in."""


def write_whole(path: Path, content: bytes, mode: int = READABLE) -> None:
    """Write a temporary file, then rename it: a reader sees the old file or the new one.

    Args:
        path: of the file.
        content: of it.
        mode: its permissions.

    Raises:
        UserError: the disk is full; the old file is still there.
        OSError: it cannot be written for some other reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED, suffix=path.suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            Path(beside).chmod(mode)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        missing = len(content) - _free(path.parent)
        raise UserError(f"{path}: {disk_full(f'{max(missing, 1):,}')}") from error


def disk_full(missing: str) -> str:
    """Return the message for a full disk, given how many bytes are missing."""
    return (
        f"the disk is full, {missing} more bytes are needed; free some space, "
        "then resume with repdyn train --resume"
    )


def unfinished(path: Path) -> Path:
    """Return the temporary name under which one process at a time may write a file."""
    return path.with_name(f"{_UNFINISHED}{path.name}")


def remove_unfinished(folder: Path) -> None:
    """Remove temporary files that a killed process left in a folder and its subfolders.

    Only safe if nobody else writes there.
    """
    for file in folder.rglob(f"{_UNFINISHED}*"):
        file.unlink(missing_ok=True)


def is_inside(folder: Path, file: Path) -> bool:
    """Return whether a file is in a folder or its subfolders, links followed."""
    return file.resolve().is_relative_to(folder.resolve())


def _free(folder: Path) -> int:
    """Return the free bytes on the disk of a folder or its nearest existing parent."""
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    return shutil.disk_usage(there).free
