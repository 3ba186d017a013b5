"""`repdyn import`, its command line; what is measured is tested in tests/runs/test_importing.py."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file

from repdyn.cli.app import app
from repdyn.errors import UserError
from repdyn.runs import session as session_module
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from tests.runs.test_importing import STEPS, moved
from tests.storage.test_codec import assert_same
from tests.support.present import present

IMPORTED = "repdyn_import_"

CODE = """
import torch
from torch import nn
import repdyn

def make_model():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))

g = torch.Generator().manual_seed(0)
x, y = torch.randn(60, 4, generator=g), torch.arange(60) % 3
data = torch.utils.data.TensorDataset(x, y)

def make_inputs():
    return repdyn.Inputs(x[:20], y[:20], train=x[20:], train_labels=y[20:])

def make_sets():
    return data, data

def make_text():
    return "text"

value = 3
"""


OWN = """
def make_own():
    return nn.Sequential(Own(4, 8), nn.ReLU(), Own(8, 8), nn.ReLU(), Own(8, 3))
"""


@pytest.fixture
def place(
    sqlite_store: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    monkeypatch.setattr(session_module, "standard_figures", lambda *_: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(sqlite_store.tracking_uri))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("raise ZeroDivisionError('oh')")
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "random.py").write_text(CODE)
    weights = tmp_path / "weights"
    weights.mkdir()
    for step in STEPS:
        save_file(moved(step).state_dict(), weights / f"step-{step}.safetensors")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("mine", "broken", IMPORTED))]:
        del sys.modules[name]


def run(model: str, data: str, *more: str, path: str = "weights") -> None:
    words = ["import", path, "--model", model, "--data", data, "--cka-batch", "10", *more]
    app(words, exit_on_error=False, print_error=False, result_action="return_value")


@pytest.mark.parametrize("module", ["mine", "mine.py"])
def test_functions_are_found_in_modules_and_files(
    place: Path, module: str, sqlite_store: StoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run(f"{module}:make_model", f"{module}:make_inputs", "--similarity", "cka,knn")
    said = capsys.readouterr().out
    assert re.search(r"step 30 measured in \d", said)
    assert "repdyn show" in said
    record = load_run(sqlite_store, "Sequential")
    assert present(record.dynamics).steps.tolist() == list(STEPS)
    assert set(present(record.dynamics).similarity) == {"cka", "knn"}
    assert record.unit == "step"


def test_workers_import_the_files_of_the_functions(
    place: Path, sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="comes with repdyn[ray]")
    from tests.support.eager_ray import EagerRay

    eager = EagerRay().install(monkeypatch)

    def forget(task: str) -> None:
        """Have a worker that has imported nothing yet."""
        if task == "features" and eager.ran == ["features"]:
            sys.modules.pop(f"{IMPORTED}apart")

    eager.fail = forget
    (place / "apart.py").write_text(f"{CODE}\nclass Own(nn.Linear):\n    pass\n{OWN}")
    run("apart.py:make_own", "apart.py:make_inputs", "--ray", "--run-name", "apart")
    run("apart.py:make_own", "apart.py:make_inputs", "--run-name", "whole")
    assert eager.ran.count("observe") == len(STEPS)
    apart, whole = load_run(sqlite_store, "apart"), load_run(sqlite_store, "whole")
    assert_same(present(apart.dynamics), present(whole.dynamics))


def test_a_file_may_have_the_name_of_a_module(place: Path, sqlite_store: StoreConfig) -> None:
    run("apart/random.py:make_model", "apart/random.py:make_inputs", "--checkpoints", "0,1")
    assert sys.modules["random"] is random
    assert present(load_run(sqlite_store, "Sequential").dynamics).steps.tolist() == [0, 1]


def test_two_data_sets_are_drawn_from(place: Path, sqlite_store: StoreConfig) -> None:
    run("mine:make_model", "mine:make_sets", "--checkpoints", "0,10", "--run-name", "drawn")
    dynamics = present(load_run(sqlite_store, "drawn").dynamics)
    assert dynamics.steps.tolist() == [0, 10]


@pytest.mark.parametrize(
    ("model", "data", "path", "message"),
    [
        ("mine", "mine:make_inputs", "weights", "model mine: write package.module:function"),
        ("mine:gone", "mine:make_inputs", "weights", "there is no function gone in mine"),
        ("mine:value", "mine:make_inputs", "weights", "there is no function value in mine"),
        ("nowhere:f", "mine:make_inputs", "weights", "cannot be imported (ModuleNotFoundError"),
        ("gone.py:f", "mine:make_inputs", "weights", "gone.py: there is no such file"),
        ("broken.py:f", "mine:make_inputs", "weights", "(ZeroDivisionError: oh)"),
        ("mine:make_text", "mine:make_inputs", "weights", "returns a str, not a torch module"),
        ("mine:make_model", "mine:make_text", "weights", "returns a str; it must return"),
        ("mine:make_model", "mine:make_inputs", "gone", "gone: there is no such folder"),
        ("mine:make_model", "mine:make_inputs", ".", "."),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    place: Path, model: str, data: str, path: str, message: str
) -> None:
    (place / "weights" / "more").mkdir()
    target = "weights/more" if path == "." else path
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        run(model, data, path=target)
    assert "\n" not in str(caught.value)
