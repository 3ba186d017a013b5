"""Hugging Face's own Trainer drives the callback, on a tiny text model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import repdyn
from repdyn.integrations.transformers import RepdynCallback
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.runs import session as session_module
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_run
from tests.support.present import present

SETTINGS = MeasureSettings(similarity=("cka", "knn"), cka_batch=16, neighbours=3)


def texts(n: int) -> list[dict[str, Any]]:
    """Return token ids of different lengths, padded, and whether one token comes before another."""
    rng = np.random.default_rng(n)
    found = []
    for _ in range(n):
        length = int(rng.integers(3, 8))
        ids = np.zeros(8, dtype=np.int64)
        ids[:length] = rng.integers(1, 12, length)
        mask = (np.arange(8) < length).astype(np.int64)
        found.append({"input_ids": ids, "attention_mask": mask, "labels": int(ids[0] > ids[1])})
    return found


TRAIN, TEST = texts(32), texts(16)


def new_model() -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=12,
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=8,
        )
    )


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(1) == prediction.label_ids))}


def fit(folder: Path, *callbacks: RepdynCallback, report_to: str = "none") -> torch.nn.Module:
    trainer = Trainer(
        new_model(),
        TrainingArguments(
            output_dir=str(folder / "output"),
            num_train_epochs=3,
            per_device_train_batch_size=8,
            eval_strategy="epoch",
            logging_steps=2,
            save_strategy="no",
            report_to=report_to,
            use_cpu=True,
            disable_tqdm=True,
            seed=3,
        ),
        train_dataset=TRAIN,
        eval_dataset=TEST,
        compute_metrics=accuracy,
        callbacks=list(callbacks),
    )
    trainer.train()
    return present(trainer.model)


def inputs() -> Inputs:
    return Inputs.from_datasets(TRAIN, TEST, n=16)


@pytest.fixture(autouse=True)
def store(sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    monkeypatch.setattr(session_module, "standard_figures", lambda *_: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(sqlite_store.tracking_uri))
    return sqlite_store


def test_a_training_is_a_run_and_ends_as_it_would_without_one(
    tmp_path: Path, store: StoreConfig
) -> None:
    measured = fit(tmp_path, RepdynCallback(inputs(), checkpoints=4, settings=SETTINGS))
    record = load_run(store, "BertForSequenceClassification")
    assert record.summary.status == "FINISHED"
    dynamics = present(record.dynamics)
    assert (dynamics.steps.tolist(), dynamics.unit) == ([0, 1, 5, 12], "step")
    assert dynamics.layers == (
        "bert.embeddings",
        "bert.encoder.layer.0",
        "bert.encoder.layer.1",
        "logits",
    )
    assert list(dynamics.similarity) == ["cka", "knn"]
    assert np.isfinite(dynamics.similarity["cka"]).all()
    assert np.isfinite(dynamics.probe_acc[:, :, :2]).all()
    assert dynamics.areas.shape[2] == 0
    assert record.curves["train/loss"].steps.tolist() == [2, 4, 6, 8, 10, 12]
    assert record.curves["test/acc"].steps.tolist() == [4, 8, 12]
    assert not {"epoch", "train_runtime", "total_flos"} & record.curves.keys()
    plain = fit(tmp_path).state_dict()
    for name, weight in measured.state_dict().items():
        assert torch.equal(weight, plain[name])


def test_the_run_that_is_active_is_joined(tmp_path: Path, store: StoreConfig) -> None:
    with mlflow.start_run() as active:
        fit(tmp_path, RepdynCallback(inputs(), checkpoints=[0, 12], settings=SETTINGS))
        assert find_run(store, active.info.run_id).status == "RUNNING"
    assert present(load_run(store, active.info.run_id).dynamics).steps.tolist() == [0, 12]


def test_padding_does_not_count() -> None:
    """Other ids and other states at padded places change no similarity and no probe."""
    found = []
    for pad in (0, 7):
        batch = repdyn.Inputs.from_datasets(TRAIN, TEST, n=16)
        for one in (batch.reference, batch.train):
            assert isinstance(one, dict)
            one["input_ids"] = torch.where(one["attention_mask"] > 0, one["input_ids"], pad)
        layers = repdyn.watched_layers(new_model(), inputs=batch.reference)
        recorder = repdyn.Recorder(layers, batch, SETTINGS)
        for step in range(2):
            model = new_model()
            with torch.no_grad():
                model.bert.embeddings.word_embeddings.weight[1:].mul_(1 + step)
            recorder.measure(model, step)
        found.append(recorder.dynamics)
    for name in ("cka", "knn"):
        np.testing.assert_allclose(found[0].similarity[name], found[1].similarity[name], atol=1e-4)
    np.testing.assert_array_equal(found[0].probe_acc, found[1].probe_acc)
