"""`repdyn.start_run` in training loops that anyone may have written."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import repdyn
from repdyn.errors import UserError
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.runs import session as session_module
from repdyn.runs.analyze import analyze_run
from repdyn.runs.loop import Run, start_run
from repdyn.runs.observer import Observer
from repdyn.runs.resume import resume_stopped
from repdyn.settings.schema import MeasureConfig, StoreConfig, TrainConfig
from repdyn.storage import opening
from repdyn.storage.reader import load_run, saved_epochs
from repdyn.storage.search import find_run
from tests.storage.test_codec import assert_same
from tests.support.present import present

G = torch.Generator().manual_seed(0)
X, Y = torch.randn(60, 1, 6, 6, generator=G), torch.randint(0, 3, (60,), generator=G)
TRAIN, TEST = TensorDataset(X[:40], Y[:40]), TensorDataset(X[40:], Y[40:])
SMALL = MeasureSettings(grid=4, fine_grid=4, cka_batch=10)
ONLY_CKA = MeasureSettings(similarity=("cka",), cka_batch=10)


class Net(nn.Module):
    """Everything that a measurement could disturb: BatchNorm, dropout, an in-place ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.relu, self.drop, self.head = nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.drop(self.relu(self.norm(self.conv(x))).flatten(1)))
        return y


def new_model() -> Net:
    """Return a model with the same weights, and all random states as at the start of a program."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    return Net()


def drawn(planes: int = 3) -> Inputs:
    return Inputs.from_datasets(TRAIN, TEST, n=20, planes=planes)


@pytest.fixture(autouse=True)
def store(
    sqlite_store: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoreConfig]:
    """Let MLflow log to an empty store; no figures are drawn, which takes longer than all else."""
    monkeypatch.setattr(session_module, "standard_figures", lambda *_: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(sqlite_store.tracking_uri))
    yield sqlite_store
    while mlflow.active_run():
        mlflow.end_run()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int = 0) -> Tensor:
    """Take a step as loops do: random numbers of all kinds, autocast."""
    batch = torch.randperm(40)[:16]
    noise = 1e-3 * (np.random.rand() + random.random())  # noqa: NPY002
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(seed)):
        loss = nn.functional.cross_entropy(model(X[batch] + noise), Y[batch])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def loop(model: nn.Module, run: Run | None, steps: int, start: int = 0) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(start, steps):
        loss = train(model, optimizer)
        if run is not None:
            run.log({"train/loss": loss, "train/acc": np.float32(step / 10)}, step=step)
            run.measure(step=step)


def test_three_lines_make_a_whole_run(store: StoreConfig) -> None:
    model = new_model()
    with repdyn.start_run(
        model, drawn(), checkpoints=4, max_steps=9, params={"lr": 0.1}, settings=SMALL
    ) as run:
        loop(model, run, 9)
    record = load_run(store, "Net")
    assert record.summary.run_id == run.run_id
    assert record.summary.status == "FINISHED"
    assert record.summary.params == {"lr": "0.1"}
    dynamics = present(record.dynamics)
    # log-spaced up to 9, which never came: the last step is measured at the end
    assert dynamics.steps.tolist() == [0, 1, 4, 8]
    assert dynamics.layers[-1] == "logits"
    assert set(dynamics.similarity) == {"cka", "regions"}
    assert np.isfinite(dynamics.probe_acc[:, :, :2]).all()
    assert record.curves["train/loss"].steps.tolist() == list(range(9))
    assert saved_epochs(store, "Net") == []
    assert_same(dynamics, present(present(run.record).dynamics))


def test_a_loop_ends_the_same_with_and_without_being_measured() -> None:
    def ended(run: Run | None) -> tuple[dict[str, Tensor], list[Tensor], float, float]:
        model = new_model()
        torch.manual_seed(1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for step in range(5):
            train(model, optimizer, seed=step % 2)
            nn.functional.cross_entropy(model(X[:8]), Y[:8]).backward()  # a gradient that stays
            model.norm.eval()
            if run is not None:
                run._measured.model = model
                with (
                    torch.autocast("cpu", dtype=torch.bfloat16),
                    torch.inference_mode(step == 3),
                ):
                    assert run.measure(step)
                    assert torch.is_autocast_enabled("cpu")
                    assert torch.is_inference_mode_enabled() == (step == 3)
            assert model.training
            assert not model.norm.training
            model.norm.train()
        grads = [present(weight.grad).clone() for weight in model.parameters()]
        return dict(model.state_dict()), grads, random.random(), np.random.rand()  # noqa: NPY002

    plain = ended(None)
    with start_run(new_model(), drawn(), settings=SMALL) as run:
        measured = ended(run)
    assert plain[2:] == measured[2:]
    assert all(torch.equal(plain[0][name], measured[0][name]) for name in plain[0])
    assert all(torch.equal(a, b) for a, b in zip(plain[1], measured[1], strict=True))


def test_where_in_the_loop_it_is_measured_does_not_change_the_numbers() -> None:
    found = []
    for within in (False, True):
        model = new_model()
        with (
            start_run(model, drawn(), settings=SMALL) as run,
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=within),
            torch.inference_mode(within),
        ):
            model.train(not within)
            run.measure(0)
        found.append(present(present(run.record).dynamics))
    assert_same(found[0], found[1])


def test_the_run_that_is_active_is_joined_and_left_to_its_owner(store: StoreConfig) -> None:
    model = new_model()
    with mlflow.start_run() as active:
        mlflow.log_param("theirs", 1)
        with start_run(model, drawn(), settings=ONLY_CKA, params={"ours": 2}) as run:
            loop(model, run, 3)
            with pytest.raises(UserError, match="is being measured already"):
                start_run(model, drawn())
        assert run.run_id == active.info.run_id
        assert find_run(store, run.run_id).status == "RUNNING"
    assert present(load_run(store, run.run_id).dynamics).steps.tolist() == [0, 1, 2]
    assert find_run(store, run.run_id).params == {"theirs": "1", "ours": "2"}


def test_the_run_that_the_environment_names_is_joined(
    store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = MlflowClient().create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with start_run(new_model(), drawn(), settings=ONLY_CKA) as run:
        run.measure(0)
    assert run.run_id == run_id
    assert find_run(store, run_id).status == "RUNNING"


def test_a_stopped_run_goes_on_where_it_stopped(store: StoreConfig) -> None:
    def whole() -> Net:
        model = new_model()
        with start_run(model, drawn(), run_name="whole", settings=SMALL) as run:
            loop(model, run, 6)
        return model

    whole()
    model = new_model()

    def stopped() -> None:
        with start_run(model, drawn(), run_name="stopped", settings=SMALL) as run:
            loop(model, run, 4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert find_run(store, "stopped").status == "KILLED"
    again = new_model()
    with start_run(again, drawn(), run_id=find_run(store, "stopped").run_id, settings=SMALL) as run:
        assert not run.is_due(3)
        assert run.is_due(4)
        loop(again, run, 6)  # a loop that starts over repeats steps, which are not measured twice
    assert find_run(store, "stopped").status == "FINISHED"
    one, other = (present(load_run(store, name).dynamics) for name in ("whole", "stopped"))
    assert_same(one, other)
    with pytest.raises(UserError, match=r"was measured on the layers .*, not conv"):
        start_run(again, drawn(), run_id=run.run_id, layers=["conv"], settings=SMALL)
    assert find_run(store, "stopped").status != "RUNNING"


class Failing(Net):
    """Fails while it is measured, at some steps."""

    error: Exception | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.error is not None and not self.training:
            raise self.error
        return super().forward(x)


def test_a_measurement_that_fails_warns_once_and_ends_no_training(store: StoreConfig) -> None:
    torch.manual_seed(0)
    model = Failing()
    with start_run(model, drawn(), run_name="failing", settings=SMALL) as run:
        run.measure(0)
        model.error = RuntimeError("out of memory at http://user:secret@host\nlong details")
        with pytest.warns(
            UserWarning,
            match=r"epoch 1: not recorded \(RuntimeError: out of memory at http://\*\*\*@host\)",
        ):
            run.measure(1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run.measure(2)
            model.error = None
            run.measure(3)
    dynamics = present(load_run(store, "failing").dynamics)
    assert dynamics.steps.tolist() == [0, 3]
    np.testing.assert_allclose(dynamics.similarity["cka"], 1, atol=1e-5)  # nothing was trained


@pytest.mark.parametrize("when", ["pass", "shape", "gone"])
def test_what_failed_leaves_nothing_behind(when: str) -> None:
    torch.manual_seed(0)
    model: Any = Net()
    with start_run(model, drawn(), settings=SMALL) as run:
        run.measure(0)
        before = {name: one.clone() for name, one in model.state_dict().items()}
        head, conv = model.head, model.conv
        if when == "gone":
            model.forward = lambda x: model.head(x.flatten(1)[:, :1].expand(-1, 64))
        if when == "shape":
            model.conv = nn.Conv2d(2, 4, 3)
        if when == "pass":
            model.head = nn.Linear(5, 3)
        with pytest.warns(UserWarning, match="epoch 1: not recorded"):
            run.measure(1)
        vars(model).pop("forward", None)
        model.head, model.conv = head, conv
        assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())
        run.measure(2)
    np.testing.assert_allclose(
        present(present(run.record).dynamics).similarity["cka"], 1, atol=1e-5
    )


def test_errors_are_raised_where_that_is_asked_for(store: StoreConfig) -> None:
    torch.manual_seed(0)
    model = Failing()

    def whole() -> None:
        with start_run(model, drawn(), on_error="raise", settings=ONLY_CKA) as run:
            run.measure(0)
            model.error = MemoryError("too much")
            run.measure(1)

    with pytest.raises(MemoryError):
        whole()
    assert load_run(store, "Failing").summary.status == "FAILED"


def test_what_fails_at_the_end_ends_the_run_too(store: StoreConfig) -> None:
    torch.manual_seed(0)
    model = Failing()

    def whole() -> None:
        with start_run(model, drawn(), checkpoints=[0], on_error="raise", settings=ONLY_CKA) as run:
            run.measure(0)
            run.measure(1)
            model.error = MemoryError("too much")

    with pytest.raises(MemoryError):
        whole()
    assert load_run(store, "Failing").summary.status == "FAILED"


def test_steps_come_in_order() -> None:
    with start_run(new_model(), drawn(), settings=ONLY_CKA) as run:
        assert run.measure(3)
        assert not run.measure(3)
        with pytest.raises(UserError, match="epoch 2 comes after 3; measure in increasing order"):
            run.measure(2)
        for wrong in (-1, 1.5, "2", None):
            with pytest.raises(UserError, match="steps are whole numbers from 0"):
                run.measure(wrong)  # type: ignore[arg-type] # what a user may pass
        assert run.measure(np.int64(4))  # type: ignore[arg-type] # as loops over numpy arrays do


def test_what_is_due_is_measured_at_the_next_step_that_comes() -> None:
    model = new_model()
    with start_run(
        model, drawn(), checkpoints=[0, 10, 20, 1000], unit="tokens", settings=ONLY_CKA
    ) as run:
        assert [step for step in range(7, 90, 8) if run.measure(step)] == [7, 15, 23]
    # the last one of all is not due, but it is where the training ended
    assert present(present(run.record).dynamics).steps.tolist() == [7, 15, 23, 87]
    assert present(present(run.record).dynamics).unit == "tokens"


def test_features_from_elsewhere_make_a_run(store: StoreConfig) -> None:
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(20, 8)), rng.normal(size=(20, 8))
    with start_run(run_name="jax", checkpoints=3, max_steps=10, unit="step") as run:
        taken = [
            step
            for step in range(11)
            if run.add_features(
                {"a": start, "b": (1 - step / 10) * start + step / 10 * end}, step, Y[:20]
            )
        ]
    assert taken == [0, 2, 10]
    record = load_run(store, "jax")
    dynamics = present(record.dynamics)
    assert dynamics.layers == ("a", "b")
    assert list(dynamics.similarity) == ["cka"]
    np.testing.assert_allclose(dynamics.similarity["cka"][0], 1, atol=1e-5)
    assert dynamics.similarity["cka"][1, 0, 2] < 0.5
    assert np.isfinite(dynamics.probe_acc[:, :, :2]).all()
    assert dynamics.areas.shape[2] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": None}, "no inputs to measure the model on"),
        ({"checkpoints": 10}, "checkpoints 10: give max_steps, too, or a list of steps"),
        ({"checkpoints": 1, "max_steps": 5}, "must be from 2 to"),
        ({"checkpoints": []}, "give steps from 0, at least one"),
        ({"checkpoints": [-1, 3]}, "give steps from 0"),
        ({"max_steps": 0}, "max_steps 0: must be at least 1"),
        ({"layers": ["nothing.*"]}, "nothing"),
        ({"unit": "two words"}, "must be one word"),
        ({"on_error": "ignore"}, "on_error 'ignore': must be warn or raise"),
        ({"run_id": "0" * 32}, "0" * 32),
        ({"tracking_uri": "http://127.0.0.1:9"}, "127.0.0.1"),
        (
            {"settings": MeasureSettings(similarity=("regions",)), "planes": 0},
            "needs decision regions",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_input_is_one_clear_line(
    arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.opening, "__defaults__", (0.1,))
    given = {"inputs": drawn(arguments.pop("planes", 1)), "on_error": "raise", **arguments}

    def whole() -> None:
        with start_run(new_model(), **given) as run:
            run.measure(0)

    with pytest.raises(UserError, match=re.escape(message)) as caught:
        whole()
    assert "\n" not in str(caught.value)


def test_without_a_model_there_is_nothing_to_measure() -> None:
    with start_run() as run, pytest.raises(UserError, match="was given no model"):
        run.measure(0)


def test_commands_for_trained_runs_say_that_a_loop_of_ones_own_goes_on_by_itself(
    store: StoreConfig,
) -> None:
    def stopped() -> None:
        with start_run(new_model(), drawn(), settings=ONLY_CKA, save_weights=True) as run:
            run.measure(0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    run_id = find_run(store, "Net").run_id
    with pytest.raises(UserError, match=rf'Net: stopped; resume .* start_run\(run_id="{run_id}"\)'):
        resume_stopped("Net", TrainConfig(), store, Observer())
    with pytest.raises(UserError, match=r"Net .* was not trained by repdyn train"):
        analyze_run("Net", MeasureConfig(), store)
