"""The artifacts of one run, wherever they are stored; no path may leave their folder."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.memory import available_memory
from repdyn.redaction import redact, traceable
from repdyn.storage.files import is_inside
from repdyn.storage.store import artifact_folder

MOST_FOLDERS = 200
"""Folders that are listed of a run: on a server each takes a request."""

MOST_FETCHED = 100_000_000
"""Bytes of the largest file that is fetched from a server to show its beginning."""

LARGE = 2**26
"""Bytes from which on it is checked that a file fits into memory before it is read."""


class RunArtifacts:
    """The artifacts of one run: read from their folder, or fetched from a server."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = client
        self._run_id = run.info.run_id
        self._uri = run.info.artifact_uri
        with self._fetching():
            self._folder = artifact_folder(client, run)

    def read(self, path: str, most: int) -> bytes:
        """Return an artifact's content.

        Args:
            path: of the artifact.
            most: maximum number of bytes.

        Raises:
            FileNotFoundError: there is no such artifact.
            UserError: it is not a file in that folder, is too large, or cannot be read.
        """
        if self._folder is not None:
            return read_inside(self._folder, path, most)
        with tempfile.TemporaryDirectory() as fetched:
            try:
                listed = self.sizes(str(PurePosixPath(path).parent))
                _check_size(path, listed.get(path, 0), most)
                with self._fetching():  # stores differ in where in the folder they put a file
                    got = self._client.download_artifacts(self._run_id, path, fetched)
            except (MlflowException, OSError) as error:
                raise FileNotFoundError(path) from error
            return read_inside(Path(fetched), os.path.relpath(got, fetched), most)

    def buffer(self, path: str, most: int) -> memoryview:
        """Return the same as `read`, as memory of its own that an array can keep."""
        if self._folder is not None:
            return buffer_inside(self._folder, path, most)
        return memoryview(bytearray(self.read(path, most)))

    def place(self, path: str) -> str:
        """Return where an artifact lies: its file, or its address in the store that has it."""
        if self._folder is not None:
            return str(self._folder / path)
        return redact(f"{self._uri}/{path}")

    def head(self, path: str, most: int) -> bytes:
        """Return the first bytes of an artifact, at most so many.

        Raises:
            FileNotFoundError: there is no such artifact.
            UserError: it is not a file in that folder, cannot be read, or is on a server, which sends
                only whole files, and too large to be fetched.
        """
        if self._folder is not None:
            return read_inside(self._folder, path, most, head=True)
        return self.read(path, max(most, MOST_FETCHED))[:most]

    def walk(self, most: int) -> dict[str, int]:
        """Return the sizes in bytes of the files in all folders, by path; at most so many."""
        found: dict[str, int] = {}
        folders, seen = [""], 0
        while folders and len(found) < most and seen < MOST_FOLDERS:
            folder = folders.pop(0)
            seen += 1
            files, below = self._listed(folder)
            found |= files
            folders += below
        return dict(sorted(found.items())[:most])

    def _listed(self, folder: str) -> tuple[dict[str, int], list[str]]:
        """Return the sizes of a folder's files, and the folders in it."""
        if self._folder is None:
            with self._fetching():
                entries = self._client.list_artifacts(self._run_id, folder)
            files = {one.path: int(one.file_size or 0) for one in entries if not one.is_dir}
            return files, [one.path for one in entries if one.is_dir]
        inside = self._folder / folder
        below = sorted(
            str(path.relative_to(self._folder))
            for path in inside.glob("[!.]*")
            if path.is_dir() and not path.is_symlink()
        )
        return self.sizes(folder), below

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of the files in a folder, by path."""
        if self._folder is not None:
            files = sorted((self._folder / folder).glob("[!.]*"))
            return {
                str(file.relative_to(self._folder)): file.stat().st_size
                for file in files
                if file.is_file() and is_inside(self._folder, file)
            }
        with self._fetching():
            found = self._client.list_artifacts(self._run_id, folder)
        return {entry.path: int(entry.file_size or 0) for entry in found if not entry.is_dir}

    @contextmanager
    def _fetching(self) -> Iterator[None]:
        """Turn whatever a store's driver raises into a one-line UserError."""
        try:
            yield
        except (UserError, MlflowException, OSError):
            raise
        except Exception as error:
            said = " ".join(redact(str(error)).split())[:200]
            raise UserError(
                f"run {self._run_id[:8]}: cannot access its artifacts in {self._uri} ({said})"
            ) from traceable(error)


def read_inside(folder: Path, path: str, most: int, *, head: bool = False) -> bytes:
    """Return the content of a file in a folder.

    Args:
        folder: that the file must be in, links followed.
        path: of the file, relative to the folder.
        most: maximum number of bytes.
        head: whether of a larger file only the first bytes are read.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it is not a file in that folder, is too large, or cannot be read.
    """
    with _regular(folder, path) as (file, size):
        if head:
            with file.open("rb") as opened:
                return opened.read(most)
        _check_size(path, size, most)
        return file.read_bytes()


def buffer_inside(folder: Path, path: str, most: int) -> memoryview:
    """Return the same as `read_inside`, as memory of its own that an array can keep."""
    with _regular(folder, path) as (file, size):
        _check_size(path, size, most)
        if size > LARGE and size > available_memory():
            raise MemoryError
        content, there = np.empty(size, np.uint8).data, 0
        with file.open("rb", buffering=0) as opened:
            while (some := opened.readinto(content[there:])) and there + some < size:
                there += some
        return content[: there + (some or 0)]


@contextmanager
def _regular(folder: Path, path: str) -> Iterator[tuple[Path, int]]:
    """Give a file in a folder and its size, and turn what goes wrong while it is read into one line."""
    file, size = folder / path, 0
    try:
        found = file.stat()
        size = found.st_size
        if not is_inside(folder, file):
            raise UserError(f"{path}: points outside the run's folder; put the file itself there")
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path}: is not a regular file; remove it")
        yield file, size
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({said})") from None
    except MemoryError:
        raise UserError(f"{path}: {size:,} bytes do not fit into memory") from None


def _check_size(path: str, size: int, most: int) -> None:
    if size > most:
        raise UserError(f"{path}: {size:,} bytes, more than the {most:,} allowed; it is damaged")
