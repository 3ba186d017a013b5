"""A run's artifacts on a server or an object store: uploaded, removed, verified."""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from mlflow.environment_variables import MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

from repdyn.storage.rest_client import upload

Sizes = dict[str, int | None]
"""By path; None if a store does not report the size."""


class RemoteArtifacts:
    """The artifacts of one run.

    Args:
        uri: of the artifacts.
        tracking_uri: of the server.
    """

    def __init__(self, uri: str, tracking_uri: str) -> None:
        self._repository = get_artifact_repository(uri, tracking_uri)
        self._known: dict[str, Sizes] = {}

    def put(self, path: PurePosixPath, file: Path) -> None:
        """Store a file, which must have the artifact's name.

        Raises:
            Exception: the store rejects it or is unreachable.
        """
        folder = str(path.parent)
        if folder not in self._known:  # to tell what is overwritten from what is new
            self._known[folder] = self._list(folder)
        proxied = self._proxied()
        if proxied is None:
            self._repository.log_artifact(str(file), None if folder == "." else folder)
            return
        with file.open("rb") as content:
            upload(proxied._host_creds, f"/{quote(str(path))}", content)

    def remove(self, path: PurePosixPath) -> None:
        """Remove an artifact; a missing one is not an error.

        Raises:
            Exception: the store rejects it or is unreachable.
        """
        try:
            self._repository.delete_artifacts(str(path))
        except Exception:
            if str(path) in self._list(str(path.parent)):
                raise

    def missing(self, expected: Mapping[str, Path | None]) -> list[str]:
        """Return the artifacts that are not as expected; one listing for each folder.

        Args:
            expected: by path, the uploaded file, or None if removed.

        Raises:
            Exception: the store rejects it or is unreachable.
        """
        folders = sorted({str(PurePosixPath(path).parent) for path in expected})
        listed = {folder: self._list(folder) for folder in folders}
        missing = [
            path
            for path, file in expected.items()
            if not self._is_as_expected(path, file, listed[str(PurePosixPath(path).parent)])
        ]
        self._known |= listed
        return missing

    def _is_as_expected(self, path: str, file: Path | None, listed: Sizes) -> bool:
        if file is None:
            return path not in listed
        if path not in listed:
            return False
        size = listed[path]
        if size is not None and size != file.stat().st_size:
            return False
        # an old one of the same size looks like the new one, and the response to an upload proves
        # nothing: MLflow's is empty, as a proxy's may be
        before = self._known.get(str(PurePosixPath(path).parent), {})
        return before.get(path, -1) != size or self._is_same(path, file)

    def _is_same(self, path: str, file: Path) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            found = self._repository.download_artifacts(path, folder)
            return filecmp.cmp(found, file, shallow=False)

    def _list(self, folder: str) -> Sizes:
        found = self._repository.list_artifacts(None if folder == "." else folder)
        return {entry.path: entry.file_size for entry in found if not entry.is_dir}

    def _proxied(self) -> HttpArtifactRepository | None:
        """Return the repository if MLflow's server accepts artifacts in one request each."""
        if MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD.get():
            return None
        return self._repository if isinstance(self._repository, HttpArtifactRepository) else None
