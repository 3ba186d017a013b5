"""Tells by an error whether a server is unreachable, refuses one operation, or rejects all."""

from __future__ import annotations

import sys

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from repdyn.storage.deadline import OverdueError
from repdyn.storage.files import OutsideError

_BUSY = (408, 425, 429)
"""Statuses of the moment."""

_INVALID = (400, 411, 413, 414, 422, 431)
"""Statuses that speak of this request, not of who asks or whom."""


class ForeignAnswerError(ConnectionError):
    """Something else than MLflow has answered: a proxy, a login page."""


def is_retryable(error: Exception) -> bool:
    """Say whether the same request may succeed later: of MLflow's server, a database, or an S3."""
    if isinstance(error, OverdueError | ForeignAnswerError) or _is_away_database(error):
        return True
    status = _status(error)
    if status is None:
        return isinstance(error, requests.RequestException) or _is_silent_s3(error)
    return status >= 500 or status in _BUSY


def is_invalid(error: Exception) -> bool:
    """Say whether a request is refused for what it holds; others may be taken."""
    status = _status(error)
    if status is None:  # it could not be encoded, or must not be executed
        return isinstance(error, ValueError | TypeError | OverflowError | OutsideError)
    return status in _INVALID


def _status(error: Exception) -> int | None:
    """Return the HTTP status of an error, None if there was no answer."""
    if isinstance(error, MlflowException):
        # MLflow gives 500 to a connection that failed or timed out, too
        return int(error.get_http_status_code())
    if isinstance(error, requests.RequestException):
        return None if error.response is None else int(error.response.status_code)
    return _status_s3(error)


def _is_away_database(error: BaseException | None) -> bool:
    """Say so of what SQLAlchemy raised; MLflow wraps some of it as a bad request (400)."""
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False


def _status_s3(error: BaseException | None) -> int | None:
    """Return the status in what boto3 raised, or wrapped; who never met S3 has not loaded it."""
    botocore = sys.modules.get("botocore.exceptions")
    while botocore is not None and error is not None:
        if isinstance(error, botocore.ClientError):
            answer = error.response.get("ResponseMetadata", {})
            return int(answer.get("HTTPStatusCode", 0))
        error = error.__cause__ or error.__context__
    return None


def _is_silent_s3(error: BaseException | None) -> bool:
    """Say whether boto3 got no answer, or one that is none of S3's."""
    parsers, botocore = (sys.modules.get(f"botocore.{name}") for name in ("parsers", "exceptions"))
    if parsers is None or botocore is None:
        return False
    silent = (botocore.HTTPClientError, botocore.ConnectionError, parsers.ResponseParserError)
    while error is not None:
        if isinstance(error, silent):
            return True
        error = error.__cause__ or error.__context__
    return False
