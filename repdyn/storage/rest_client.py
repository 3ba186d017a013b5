"""MLflow's client without its retries, which accepts only MLflow's own responses.

MLflow's client takes an empty response for success, puts a whole HTML page into its error, waits as
long as a server's Retry-After says, and repeats a request that may have been executed.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests
from mlflow.exceptions import RestException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.client import TrackingServiceClient
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import MlflowHostCreds, http_request

from repdyn.storage.delivery.retryable import ForeignAnswerError
from repdyn.storage.location import is_remote

MOST_BYTES = 1 << 26
"""In a response."""

CHUNK = 1 << 16


def strict(client: MlflowClient) -> MlflowClient:
    """Make a server's client strict about responses; other stores' clients stay as they are."""
    if is_remote(client.tracking_uri):
        client._tracking_client = _StrictTracking(client.tracking_uri)
    return client


def upload(creds: MlflowHostCreds, endpoint: str, content: BinaryIO) -> None:
    """Send an artifact to MLflow's server, once.

    Raises:
        As `_request`.
    """
    headers = {"Content-Type": "application/octet-stream"}
    body = _request(creds, endpoint, "PUT", data=content, extra_headers=headers)
    if body and _object(body) != {}:  # older servers return {}, newer ones nothing
        raise ForeignAnswerError(_foreign(body))


def _request(creds: MlflowHostCreds, endpoint: str, method: str, **fields: Any) -> bytes:
    """Send one request, once, and return the body of the response.

    Args:
        creds: of the server.
        endpoint: path below the server's address.
        fields: of MLflow's `http_request`.

    Raises:
        RestException: MLflow's server reports an error.
        requests.HTTPError: an error status, from MLflow or from something in front of it.
        ForeignAnswerError: a response that is not from MLflow.
        MlflowException: no response.
    """
    with http_request(
        creds,
        endpoint,
        method,
        max_retries=0,
        raise_on_status=False,
        respect_retry_after_header=False,
        stream=True,
        **fields,
    ) as response:
        body = _body(response)
    if response.status_code == requests.codes.ok:
        return body
    answer = _object(body)
    if answer is not None and "error_code" in answer:
        raise RestException(answer)
    said = f"returned {response.status_code} {response.reason}".strip()
    raise requests.HTTPError(f"{_address(creds.host)}: {said}", response=response)


class _StrictStore(RestStore):
    """Sends each request of a run once, and checks that the response matches the request."""

    def _call_endpoint(
        self,
        api: Any,
        json_body: str | None = None,
        endpoint: str | None = None,
        *_: Any,
        **__: Any,
    ) -> Any:
        known, method = self._METHOD_TO_INFO[api]
        content = None if json_body is None else json.loads(json_body)
        place = "params" if method == "GET" else "json"
        body = _request(self.get_host_creds(), endpoint or known, method, **{place: content})
        answer, message = _object(body), api.Response()
        if answer is None or (answer and answer.keys().isdisjoint(_names(message))):
            raise ForeignAnswerError(_foreign(body))
        parse_dict(js_dict=answer, message=message)
        _check_required(message)
        return message


class _StrictTracking(TrackingServiceClient):
    """MLflow's tracking client on a strict store."""

    def __init__(self, uri: str) -> None:
        creds = partial(get_default_host_creds, uri)
        self._store = _StrictStore(creds)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
        super().__init__(uri)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped

    @property
    def store(self) -> _StrictStore:
        return self._store


def _names(message: Any) -> set[str]:
    """Return the fields that a response may have; MLflow omits empty lists."""
    return {str(field.name) for field in message.DESCRIPTOR.fields}


_REQUIRED = ("run", "run_info", "experiment", "experiment_id", "model")


def _check_required(message: Any) -> None:
    """Check that a response has the required fields: any JSON object parses as an empty one."""
    for field in message.DESCRIPTOR.fields:
        if field.name in _REQUIRED and not message.HasField(field.name):
            raise ForeignAnswerError(_foreign(b""))


def _address(url: str) -> str:
    """Return a server's address without any user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    for part in response.iter_content(CHUNK):
        body += part
        if len(body) > MOST_BYTES:
            raise ForeignAnswerError(f"returned more than {MOST_BYTES:,} bytes: a proxy?")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any] | None:
    """Return a body's JSON object; None if it is not one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _foreign(body: bytes) -> str:
    if body.lstrip()[:1] == b"<":
        return "returned an HTML page: a login or proxy page?"
    return "returned a response that is not MLflow's: a proxy?"
