"""Forked commands have the environment that commands started by python would have."""

from pathlib import Path

import pytest

from tests.e2e.conftest import clean_environment
from tests.support import forked

NAME = (
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"  # set by repdyn.storage.store unless a user has set it
)


@pytest.mark.parametrize(("given", "there"), [({}, "false"), ({NAME: "true"}, "true")])
def test_variables_that_modules_set_are_there_and_yield_to_those_given(
    given: dict[str, str], there: str, tmp_path: Path
) -> None:
    told = ["-c", f"import os; print(os.environ['{NAME}'])"]
    done = forked.run(told, tmp_path, clean_environment() | given, timeout=120)
    assert done.stdout == f"{there}\n"
