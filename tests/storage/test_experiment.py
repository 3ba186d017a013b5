"""The experiment has a description and a kind; what a user has set stays."""

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.run_tags import NOTE
from repdyn.settings.schema import StoreConfig
from repdyn.storage.experiment import TAGS
from repdyn.storage.writer import RunWriter
from tests.support.present import present


def tags_after_a_run(store: StoreConfig) -> dict[str, str]:
    with RunWriter.create(store, "run", {}, {}):
        pass
    client = MlflowClient(store.tracking_uri)
    return dict(present(client.get_experiment_by_name("repdyn")).tags)


def test_a_new_experiment_is_described_as_one_of_training(sqlite_store: StoreConfig) -> None:
    tags = tags_after_a_run(sqlite_store)
    assert tags.items() >= TAGS.items()
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "repdyn tui" in tags[NOTE]


@pytest.mark.parametrize("note", ["mine", ""])
def test_a_users_experiment_gets_what_it_lacks(sqlite_store: StoreConfig, note: str) -> None:
    client = MlflowClient(sqlite_store.tracking_uri)
    client.create_experiment("repdyn", tags={NOTE: note})
    tags = tags_after_a_run(sqlite_store)
    assert tags[NOTE] == note
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_run_is_logged_where_the_experiment_may_not_be_changed(
    sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    MlflowClient(sqlite_store.tracking_uri).create_experiment("repdyn")

    def refused(*_: object) -> None:
        raise MlflowException("Permission denied")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refused)
    assert NOTE not in tags_after_a_run(sqlite_store)
