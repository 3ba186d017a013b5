"""Extracts the message of a database or of its missing driver from the wrapping errors."""

from __future__ import annotations

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_DRIVERS = {
    "psycopg": "'repdyn[postgres]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
"""The package to install for a module; for others, the package of the same name."""

_CREDENTIALS = (
    "give user and password in MLFLOW_TRACKING_URI or `tracking_uri`, or set PGUSER and PGPASSWORD"
)
_HINTS = {
    "no password supplied": _CREDENTIALS,
    "password authentication failed": _CREDENTIALS,
    "readonly database": "make its file and folder writable, or name another with `tracking_uri`",
}


def driver_message(error: BaseException) -> str | None:
    """Return the message of the database driver's error behind an error; None if there is none.

    SQLAlchemy puts lines of advice before it, and MLflow wraps SQLAlchemy's error.
    """
    cause: BaseException | None = error
    if not isinstance(error, (MlflowException, SQLAlchemyError)):
        return None
    while cause is not None:
        if isinstance(cause, DBAPIError) and cause.orig is not None:
            said = " ".join(str(cause.orig).split())
            hints = [hint for words, hint in _HINTS.items() if words in said]
            return "; ".join([said, *hints])
        cause = cause.__cause__
    return None


def missing_driver(error: BaseException) -> str | None:
    """Return what to install if a database driver is missing; None for other errors."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = _DRIVERS.get(error.name, error.name)
    return f"the database driver {error.name} is not installed: pip install {package}"
