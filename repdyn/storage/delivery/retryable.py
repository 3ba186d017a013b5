"""Classifies errors: the server is unreachable, refuses one operation, or rejects all."""

from __future__ import annotations

import sys

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from repdyn.storage.deadline import OverdueError
from repdyn.storage.files import OutsideError

_BUSY = (408, 425, 429)
"""Temporary statuses."""

_INVALID = (400, 411, 413, 414, 422, 431)
"""Statuses caused by the request itself, not by the client or the server."""


class ForeignAnswerError(ConnectionError):
    """The response is not from MLflow but from a proxy or a login page."""


def is_retryable(error: Exception) -> bool:
    """Return whether a retry may succeed: for MLflow's server, a database, or S3."""
    if isinstance(error, OverdueError | ForeignAnswerError) or _is_away_database(error):
        return True
    status = _status(error)
    if status is None:
        return isinstance(error, requests.RequestException) or _is_silent_s3(error)
    return status >= 500 or status in _BUSY


def is_invalid(error: Exception) -> bool:
    """Return whether a request is refused for its content; others may be accepted."""
    status = _status(error)
    if status is None:  # it could not be encoded, or must not be executed
        return isinstance(error, ValueError | TypeError | OverflowError | OutsideError)
    return status in _INVALID


def _status(error: Exception) -> int | None:
    """Return the HTTP status of an error; None if there was no response."""
    if isinstance(error, MlflowException):
        # MLflow also uses 500 for a connection that failed or timed out
        return int(error.get_http_status_code())
    if isinstance(error, requests.RequestException):
        return None if error.response is None else int(error.response.status_code)
    return _status_s3(error)


def _is_away_database(error: BaseException | None) -> bool:
    """Check SQLAlchemy's errors; MLflow wraps some of them as a bad request (400)."""
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False


def _status_s3(error: BaseException | None) -> int | None:
    """Return the status of a boto3 error, even if wrapped; without S3, boto3 is not loaded."""
    botocore = sys.modules.get("botocore.exceptions")
    while botocore is not None and error is not None:
        if isinstance(error, botocore.ClientError):
            answer = error.response.get("ResponseMetadata", {})
            return int(answer.get("HTTPStatusCode", 0))
        error = error.__cause__ or error.__context__
    return None


def _is_silent_s3(error: BaseException | None) -> bool:
    """Return whether boto3 got no response, or one that is not from S3."""
    parsers, botocore = (sys.modules.get(f"botocore.{name}") for name in ("parsers", "exceptions"))
    if parsers is None or botocore is None:
        return False
    silent = (botocore.HTTPClientError, botocore.ConnectionError, parsers.ResponseParserError)
    while error is not None:
        if isinstance(error, silent):
            return True
        error = error.__cause__ or error.__context__
    return False
