"""Rejects invalid store URIs before anything is opened or created."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import unquote

from repdyn.errors import UserError
from repdyn.storage.location import database_file, is_in_memory

SQLITE_PATH = 511
"""Longest path that SQLite opens, in bytes."""


def check_uri(uri: str) -> None:
    """Check that a URI can be that of a store.

    Raises:
        UserError: it has characters that no path can have, is in memory, or is not a regular file.
    """
    if "\0" in unquote(uri):
        raise UserError(
            f"{uri!r}: contains a null character; name another store with `tracking_uri`"
        )
    if is_in_memory(uri):
        raise UserError(
            f"{uri}: is an in-memory store, which would be lost with the process; name a file, "
            "such as sqlite:///mlflow.db"
        )
    database = database_file(uri)
    if database is not None:
        _check_file(uri, database.absolute())


def _check_file(uri: str, database: Path) -> None:
    try:
        size = len(str(database).encode())
        unquote(uri, errors="strict")
    except UnicodeError:
        raise UserError(
            f"{os.fsencode(database)!r}: is not valid UTF-8, which MLflow needs to store the path; "
            "rename the folder, or name another store with `tracking_uri`"
        ) from None
    if size > SQLITE_PATH:
        raise UserError(
            f"{uri}: the path has {size:,} bytes, SQLite allows {SQLITE_PATH}; name a shorter "
            "one with `tracking_uri`"
        )
    try:
        mode = database.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(
            f"{uri}: {error.strerror}; name another store with `tracking_uri`"
        ) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise UserError(f"{uri}: is {kind}; name the file of a store with `tracking_uri`")
