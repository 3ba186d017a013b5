"""Features from elsewhere: what a model's own would give."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Recorder
from repdyn.measures.settings import MeasureSettings

SETTINGS = MeasureSettings(similarity=("cka", "knn"), cka_batch=10, neighbours=3)
X = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
Y = np.arange(24) % 3


def models() -> list[nn.Sequential]:
    torch.manual_seed(0)
    return [nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 4)) for _ in range(3)]


def test_a_model_and_its_features_have_the_same_similarities() -> None:
    of_model = Recorder(
        [Layer("hidden", "1"), Layer("logits", "")], Inputs(X, Y), SETTINGS, unit="step"
    )
    of_features = Recorder(settings=SETTINGS, unit="step")
    for step, model in enumerate(models()):
        of_model.measure(model, step)
        with torch.no_grad():
            hidden = model[:2](X)
            of_features.add_features({"hidden": hidden.numpy(), "logits": model[2](hidden)}, step)
    for name in ("cka", "knn"):
        np.testing.assert_allclose(
            of_model.dynamics.similarity[name], of_features.dynamics.similarity[name], atol=2e-6
        )
    assert of_features.dynamics.layers == ("hidden", "logits")
    assert np.isnan(of_features.dynamics.probe_acc).all()
    assert of_features.fingerprint == ""


def test_probes_are_fitted_to_every_other_input() -> None:
    """Classes that can be told apart among the even inputs, and are exchanged among the odd ones."""
    features = np.eye(3)[Y] + 1e-3 * np.random.default_rng(0).normal(size=(24, 3))
    labels = np.where(np.arange(24) % 2, (Y + 1) % 3, Y)
    recorder = Recorder(settings=SETTINGS)
    recorder.add_features({"a": features}, 0, labels)
    assert recorder.dynamics.probe_acc[0, 0, :2].tolist() == [0.0, 1.0]
    recorder.add_features({"a": features}, 1, Y)
    assert recorder.dynamics.probe_acc[0, 1, :2].tolist() == [1.0, 1.0]


def test_features_of_any_type_and_shape_are_read() -> None:
    values = np.random.default_rng(0).normal(size=(8, 2, 3))
    kinds = (
        values,
        values.tolist(),
        values.astype(np.float16),
        torch.tensor(values, dtype=torch.bfloat16),
        torch.tensor(values, requires_grad=True),
        (100 * values).astype(np.int32),
    )
    for kind in kinds:
        recorder = Recorder(settings=MeasureSettings(similarity=("cka",)))
        recorder.add_features({"a": kind}, 0)
        recorder.add_features({"a": values}, 1)
        np.testing.assert_allclose(recorder.dynamics.similarity["cka"], 1, atol=1e-3)


ROWS = np.random.default_rng(0).normal(size=(8, 3))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "features: there are none"),
        ({"a": ROWS[:3]}, "features: of 3 inputs; give at least 4"),
        ({"a": ROWS, "b": ROWS[:5]}, "features: of 5, 8 inputs; give the same"),
        ({"a": ROWS[:, 0]}, "features a: have shape (8,)"),
        ({"a": ROWS[:, :0]}, "features a: have shape (8, 0)"),
        ({"a": ROWS + 1j}, "features a: are complex128"),
        ({"a": torch.tensor(ROWS + 1j)}, "features a: are torch.complex128"),
        ({"a": [["x"] * 3] * 8}, "features a: are <U1"),
        ({"b": ROWS}, "the layers changed from a to b"),
        ({"a": ROWS[:6]}, "features: of 6 inputs, not 8 as before"),
    ],
)
def test_what_are_no_features_is_one_clear_line(features: dict[str, Any], message: str) -> None:
    recorder = Recorder(settings=SETTINGS)
    recorder.add_features({"a": ROWS}, 0)
    with pytest.raises(UserError, match=re.escape(message)):
        recorder.add_features(features, 1)
    recorder.add_features({"a": ROWS}, 1, [0, 1] * 4)
    with pytest.raises(UserError, match=re.escape("labels: have shape (3,)")):
        recorder.add_features({"a": ROWS}, 2, [0, 1, 2])
    assert recorder.steps == (0, 1)
    np.testing.assert_allclose(recorder.dynamics.similarity["cka"], 1, atol=1e-5)
