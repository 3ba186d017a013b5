"""Tells a server that is away from one that refuses, by the error that it led to."""

from __future__ import annotations

import sys

import requests
from mlflow.exceptions import MlflowException

_BUSY = (408, 429)
"""Refusals of the moment."""


def is_away(error: Exception) -> bool:
    """Say whether the same request may succeed later: of MLflow's server, or of an S3 behind it."""
    if isinstance(error, MlflowException):
        # MLflow gives 500 to a connection that failed or timed out, too
        return _passes(int(error.get_http_status_code()))
    if isinstance(error, requests.RequestException):
        return error.response is None or _passes(error.response.status_code)
    return _is_away_s3(error)


def _is_away_s3(error: BaseException | None) -> bool:
    """Say so of what boto3 raised, or wrapped; who never met S3 has not loaded it."""
    botocore = sys.modules.get("botocore.exceptions")
    if botocore is None:
        return False
    while error is not None:
        if isinstance(error, botocore.ClientError):
            said = error.response.get("ResponseMetadata", {})
            return _passes(int(said.get("HTTPStatusCode", 0)))
        if isinstance(error, (botocore.HTTPClientError, botocore.ConnectionError)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _passes(status: int) -> bool:
    return status >= 500 or status in _BUSY
