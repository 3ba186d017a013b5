"""What a database, or the missing driver of one, says is one line with what to do."""

import shutil
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage.store import connect, first_line
from repdyn.storage.writer import RunWriter


def test_a_read_only_store_says_so(sqlite_store: StoreConfig, tmp_path: Path) -> None:
    shutil.copy("mlflow.db", "other.db")
    store = StoreConfig(tracking_uri=f"sqlite:///file:{tmp_path}/other.db?mode=ro&uri=true")
    with pytest.raises(UserError, match="attempt to write a readonly database; make") as raised:
        RunWriter.create(store, "run", {}, {})
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("postgresql+psycopg", "psycopg", "'repdyn[postgres]'"),
        ("mysql", "MySQLdb", "mysqlclient"),
    ],
)
def test_a_missing_driver_names_what_to_install(
    scheme: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match="is not installed") as raised:
        connect(StoreConfig(tracking_uri=f"{scheme}://user@/runs"))
    assert str(raised.value).endswith(f"pip install {package}")


@pytest.mark.parametrize(
    "detail",
    [
        'connection to server at "db", port 5432 failed: fe_sendauth: no password supplied',
        'connection failed: FATAL:  password authentication failed for user "root"',
    ],
)
def test_a_database_that_wants_credentials_says_where_to_give_them(detail: str) -> None:
    line = first_line(OperationalError("SELECT 1", {}, Exception(detail)))
    assert "give user and password in MLFLOW_TRACKING_URI or `tracking_uri`" in line
    assert "SELECT" not in line
