"""The artifacts of one run, wherever they are stored; no path may leave their folder."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.redaction import redact, traceable
from repdyn.storage.files import is_inside
from repdyn.storage.store import artifact_folder


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


def read_inside(folder: Path, path: str, most: int) -> bytes:
    """Return the content of a file in a folder.

    Args:
        folder: that the file must be in, links followed.
        path: of the file, relative to the folder.
        most: maximum number of bytes.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it is not a file in that folder, is too large, or cannot be read.
    """
    file = folder / path
    try:
        found = file.stat()
        if not is_inside(folder, file):
            raise UserError(f"{path}: points outside the run's folder; put the file itself there")
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path}: is not a regular file; remove it")
        _check_size(path, found.st_size, most)
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({said})") from None
    except MemoryError:
        raise UserError(f"{path}: {found.st_size:,} bytes do not fit into memory") from None


def _check_size(path: str, size: int, most: int) -> None:
    if size > most:
        raise UserError(f"{path}: {size:,} bytes, more than the {most:,} allowed; it is damaged")
