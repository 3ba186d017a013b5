"""Converts between the URIs that MLflow records and the paths that they stand for.

SQLAlchemy and MLflow read `%20` in a URI as a space, so a folder named `a%20b`, or `My Docs` if
MLflow quotes it, is found only through the functions below.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

ARTIFACTS = Path("mlruns")
"""Where MLflow puts artifacts without a server, in the working folder."""

_SQLITE = "sqlite:///"
_MEMORY = (None, "", ":memory:")


def default_uri() -> str:
    """Return the URI of the store in the environment, else of MLflow's default in this folder."""
    if mlflow.is_tracking_uri_set():
        return str(mlflow.get_tracking_uri())
    uri = str(mlflow.get_tracking_uri())
    # MLflow quotes more than SQLAlchemy 2.0 unquotes
    return sqlite_uri(Path(unquote(uri.removeprefix(_SQLITE)))) if uri.startswith(_SQLITE) else uri


def sqlite_uri(database: Path) -> str:
    """Return the URI of a SQLite store; `database_file` inverts this."""
    return URL.create("sqlite", database=str(database)).render_as_string()


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite store, None for others."""
    url = _sqlite_url(uri)
    if url is None or url.database in _MEMORY or _is_sqlites_own(url):
        return None
    return Path(str(url.database))


def is_in_memory(uri: str) -> bool:
    """Return whether a SQLite store is in memory and would be lost with the process."""
    url = _sqlite_url(uri)
    if url is None or url.host is not None:
        return False
    in_memory = url.query.get("mode") == "memory" or ":memory:" in (url.database or "")
    return url.database in _MEMORY or (_is_sqlites_own(url) and in_memory)


def uri_for_mlflow(uri: str) -> str:
    """Return the URI by which MLflow opens a store; an absolute one for the file of a SQLite store.

    For a sqlite:/// URI MLflow would create the parent folder without unquoting it, and leave a
    stray `My%20Docs` next to `My Docs`; with an explicit driver it does not. It keeps one
    connection per URI, even if the working folder has changed.
    """
    database = database_file(uri)
    if database is None:
        return uri
    url = make_url(uri).set(database=str(database.absolute()))
    if url.drivername == "sqlite":
        url = url.set(drivername="sqlite+pysqlite")
    return url.render_as_string(hide_password=False)


def is_remote(uri: str) -> bool:
    """Say whether a store is behind an MLflow server."""
    return uri.lower().startswith(("http://", "https://"))


def is_database_server(uri: str) -> bool:
    """Return whether a store is a database on a server, such as PostgreSQL."""
    scheme = uri.partition(":")[0].partition("+")[0]
    return scheme in DATABASE_ENGINES and scheme != "sqlite"


def is_served(uri: str) -> bool:
    """Return whether a store is on a server, MLflow's or a database's, which may be unreachable."""
    return is_remote(uri) or is_database_server(uri)


def is_local_folder(uri: str) -> bool:
    """Say whether a store is a folder of files, or is given as a path instead of a URI."""
    return urlsplit(uri).scheme in ("", "file")


def artifact_path(uri: str) -> Path | None:
    """Return the local path of an artifact location, None for one elsewhere."""
    if urlsplit(uri).scheme not in ("", "file"):
        return None
    return Path(local_file_uri_to_path(uri))


def artifact_uri(path: Path) -> str:
    """Return the URI of a local artifact location; `artifact_path` inverts this.

    A plain path, as MLflow itself records it, unless MLflow would misread it.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links)
    return absolute.as_uri() if set("%?") & set(str(absolute)) else str(absolute)


def _sqlite_url(uri: str) -> URL | None:
    if not uri.startswith("sqlite"):
        return None
    try:
        return make_url(uri)
    except (ArgumentError, ValueError):
        return None


def _is_sqlites_own(url: URL) -> bool:
    """Say whether the database is a URI of SQLite's own, such as file:x.db?mode=ro."""
    return str(url.query.get("uri", "")).lower() in ("true", "yes", "on", "y", "t", "1")
