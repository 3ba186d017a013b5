"""Says what a database, or the missing driver of one, has to say, without what wraps it."""

from __future__ import annotations

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_DRIVERS = {
    "psycopg": "'repdyn[postgres]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
"""What to install for a module; for others the package of that name."""

_CREDENTIALS = (
    "set MLFLOW_TRACKING_URI, or give --tracking-uri, with the user and the password, or set "
    "PGUSER and PGPASSWORD"
)
_HINTS = {
    "no password supplied": _CREDENTIALS,
    "password authentication failed": _CREDENTIALS,
    "readonly database": "make its file and folder writable, or name another with --tracking-uri",
}


def driver_message(error: BaseException) -> str | None:
    """Return the message of the database's driver that an error was raised from, None without one.

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
    """Return what to install for the driver of a database, None for another error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = _DRIVERS.get(error.name, error.name)
    return f"the database's driver {error.name} is not installed: pip install {package}"
