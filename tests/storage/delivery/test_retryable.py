"""Which errors of a database say that the same may succeed later."""

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from repdyn.storage.delivery.retryable import is_retryable

ORIGINAL = Exception("the driver's")


def wrapped(error: DBAPIError) -> MlflowException:
    """Return it as MLflow raises all but operational errors."""
    bad = MlflowException(str(error), error_code=BAD_REQUEST)
    bad.__cause__ = error
    return bad


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("", {}, ORIGINAL),
        InterfaceError("", {}, ORIGINAL),
        DBAPIError("", {}, ORIGINAL, connection_invalidated=True),
    ],
    ids=["operational", "interface", "connection lost"],
)
def test_a_database_that_lost_the_connection_is_away(error: DBAPIError) -> None:
    assert is_retryable(error)
    assert is_retryable(wrapped(error))


@pytest.mark.parametrize("kind", [DataError, IntegrityError, DBAPIError])
def test_a_database_that_refuses_a_value_is_not_away(kind: type[DBAPIError]) -> None:
    error = kind("", {}, ORIGINAL)
    assert not is_retryable(error)
    assert not is_retryable(wrapped(error))
