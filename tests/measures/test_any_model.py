"""Models of all kinds are measured: what they take, what they return, how they are wrapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repdyn.errors import UserError
from repdyn.layers import choose_layers
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Recorder
from repdyn.measures.settings import MeasureSettings
from tests.support.present import present

G = torch.Generator().manual_seed(0)
X, Y = torch.randn(40, 1, 4, 4, generator=G), torch.arange(40) % 3
IDS = torch.randint(1, 9, (40, 6), generator=G)
MASK = (torch.arange(6) < torch.randint(2, 7, (40, 1), generator=G)).long()
SETTINGS = MeasureSettings(similarity=("cka", "knn"), cka_batch=10, neighbours=3)


@dataclass
class Out:
    loss: Tensor
    logits: Tensor


class Image(nn.Module):
    """Returns its scores in some form."""

    def __init__(self, form: Callable[[Tensor], Any] = lambda y: y) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))
        self.head, self.form = nn.Linear(16, 3), form

    def forward(self, x: Tensor) -> Any:
        x = x.flatten(1)
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.form(self.head(x))


class Text(nn.Module):
    """Token ids and mask, through a transformer that may have its tokens first."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.embed, self.batch_first = nn.Embedding(9, 8), batch_first
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first) for _ in range(2)
        )
        self.head = nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x = self.embed(input_ids)
        x = x if self.batch_first else x.transpose(0, 1)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=attention_mask == 0)
        return {"logits": self.head(x.mean(dim=1 if self.batch_first else 0))}


class Loss(nn.Module):
    """Holds its criterion, as trainers' wrappers do."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.criterion = net, nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


def images(part: slice = slice(None)) -> Any:
    return X[part]


def texts(part: slice = slice(None)) -> Any:
    return {"input_ids": IDS[part], "attention_mask": MASK[part]}


def compiled() -> nn.Module:
    model: Any = torch.compile(Image(), backend="eager")
    assert isinstance(model, nn.Module)
    return model


LAYERS = ("blocks.0", "blocks.1", "logits")
KINDS: dict[str, tuple[Callable[[], nn.Module], Callable[[slice], Any], tuple[str, ...]]] = {
    "a tensor": (Image, images, LAYERS),
    "a tuple": (lambda: Image(lambda y: (y, y.sum())), images, LAYERS),
    "its loss first": (lambda: Image(lambda y: (y.sum(), y)), images, LAYERS),
    "a mapping": (lambda: Image(lambda y: {"loss": y.sum(), "logits": y}), images, LAYERS),
    "an object": (lambda: Image(lambda y: Out(y.sum(), y)), images, LAYERS),
    "bfloat16": (lambda: Image().to(torch.bfloat16), images, LAYERS),
    "float64": (lambda: Image().double(), images, LAYERS),
    "with its loss": (lambda: Loss(Image()), images, LAYERS),
    "DataParallel": (lambda: nn.DataParallel(Image()), images, LAYERS),
    "compiled": (compiled, images, LAYERS),
    "text": (Text, texts, ("embed", "layers.0", "layers.1", "logits")),
    "text, tokens first": (lambda: Text(False), texts, ("embed", "layers.0", "layers.1", "logits")),
    "a tuple of inputs": (
        lambda: Text(),
        lambda part: (IDS[part], MASK[part]),
        ("embed", "layers.0", "layers.1", "logits"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_similarities_and_probes_of_every_kind(kind: str) -> None:
    make, batch, names = KINDS[kind]
    inputs = Inputs(batch(slice(20)), Y[:20], train=batch(slice(20, 40)), train_labels=Y[20:])
    torch.manual_seed(0)
    model = make()
    layers = choose_layers(model, inputs=inputs.reference).layers
    assert tuple(layer.name for layer in layers) == names
    recorder = Recorder(layers, inputs, SETTINGS)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    recorder.measure(model, 0)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape).to(weight.dtype))
    recorder.measure(model, 1)
    dynamics = recorder.dynamics
    for name in ("cka", "knn"):
        found = dynamics.similarity[name]
        assert np.isfinite(found).all()
        np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), 1, atol=1e-5)
        assert (found[:, 0, 1] < 1).any()
    assert np.isfinite(dynamics.probe_acc[:, :, :2]).all()


def test_a_tuple_and_a_mapping_of_the_same_inputs_have_the_same_similarities() -> None:
    whole = torch.ones_like(MASK)
    found = []
    for batch in ({"input_ids": IDS, "attention_mask": whole}, (IDS, whole)):
        torch.manual_seed(0)
        models = Text(), Text()
        recorder = Recorder(choose_layers(models[0], inputs=batch).layers, Inputs(batch), SETTINGS)
        for step, model in enumerate(models):
            recorder.measure(model, step)
        found.append(recorder.dynamics)
    assert np.isnan(found[0].probe_acc).all()
    np.testing.assert_allclose(found[0].similarity["cka"], found[1].similarity["cka"], atol=1e-6)


def test_more_outputs_than_labels_are_classes_too() -> None:
    """A network of ten classes, of which the labels at hand show three."""
    torch.manual_seed(0)
    model = Image()
    model.head = nn.Linear(16, 10)
    inputs = Inputs(
        X[:20], Y[:20], train=X[20:], train_labels=Y[20:], anchors=X[:6].reshape(2, 3, 1, 4, 4)
    )
    recorder = Recorder(choose_layers(model, inputs=X).layers, inputs, MeasureSettings(grid=3))
    measured = recorder.measure(model, 0)
    assert recorder.dynamics.areas.shape[2] == 10
    assert present(recorder.plane_set()).classes == tuple(map(str, range(10)))
    assert present(measured.label_maps).maps.shape == (4, 2, 3, 3)


def test_a_model_without_scores_of_classes_has_no_decision_regions() -> None:
    torch.manual_seed(0)
    model = Image(lambda y: y[:, :, None, None].expand(-1, -1, 2, 2))
    inputs = Inputs(
        X[:20], Y[:20], train=X[20:], train_labels=Y[20:], anchors=X[:6].reshape(2, 3, 1, 4, 4)
    )
    layers = choose_layers(model, inputs=X).layers
    recorder = Recorder(layers, inputs, MeasureSettings(similarity=("cka", "regions")))
    assert recorder.measure(model, 0).label_maps is None
    assert list(recorder.dynamics.similarity) == ["cka"]
    with pytest.raises(UserError, match="needs decision regions"):
        Recorder(layers, inputs, MeasureSettings(similarity=("regions",))).measure(model, 0)
