"""The notebooks of the documentation run on the demo's runs, and show what is stored in them."""

import json
from pathlib import Path
from typing import Any

import pytest

ALL = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))

notebooks = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for cell in notebook["cells"] for one in cell.get("outputs", [])]


def texts(notebook: dict[str, Any]) -> list[str]:
    """Return what the cells print, without pictures, which depend on fonts."""
    parts = [one.get("text") or one["data"]["text/plain"] for one in outputs(notebook)]
    return ["".join(part) for part in parts]


@notebooks
def test_a_notebook_is_small_and_stored_with_pictures_and_no_path_of_a_machine(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert any("image/png" in one.get("data", {}) for one in outputs(notebook))
    assert path.stat().st_size < 300_000
    assert not [text for text in texts(notebook) if "site-packages" in text or "://" in text]


@pytest.mark.slow
@notebooks
def test_a_notebook_shows_what_is_stored(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docs.pictures.notebooks import executed  # needs what builds the documentation

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert texts(executed(path, tmp_path)) == texts(json.loads(path.read_text()))
