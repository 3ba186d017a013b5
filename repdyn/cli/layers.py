"""`repdyn layers`: the layers that would be watched."""

from __future__ import annotations

import torch
from rich.table import Table
from torch import Tensor

from repdyn import models
from repdyn.cli.console import new_console
from repdyn.cli.progress import tell_notice
from repdyn.data import image_shape
from repdyn.layer import Layer
from repdyn.layers import choose_layers
from repdyn.measures.features import all_features, pooled
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import DataConfig, MeasureConfig, ModelConfig, TrainConfig


def list_layers(model: ModelConfig, dataset: str, image_size: int | None, pattern: str) -> None:
    """Print each watched layer's name, module, activation's shape and size of probe features.

    Layers that cannot be watched follow in one line, with the reasons.

    Raises:
        UserError: unknown model or data set, or a pattern that matches no layer.
    """
    config, _ = resolved(
        TrainConfig(
            data=DataConfig(dataset=dataset, image_size=image_size),
            model=model,
            measure=MeasureConfig(layers=pattern),
        ),
        models.family(model.arch),
    )
    channels, native = image_shape(config.data)
    size = image_size or native
    net = models.build(config.model, image_size=size, channels=channels, classes=10)
    images = torch.zeros(2, channels, size, size)
    choice = choose_layers(net, pattern, images)
    shapes: dict[str, tuple[int, ...]] = {}

    def noting(layer: Layer, activation: Tensor, mask: Tensor | None) -> Tensor:
        shapes[layer.name] = tuple(activation.shape[1:])
        return pooled(layer, activation, mask)

    features, _ = all_features(net, choice.layers, images, reduce=noting)
    table = Table(box=None, title_justify="left")
    table.title = f"{model.arch} on {size}×{size}×{channels} images"
    for heading in ("layer", "module", "activation", "flat", "pooled"):
        table.add_column(heading, justify="right" if heading in ("flat", "pooled") else "left")
    for layer, x in zip(choice.layers, features, strict=True):
        shape = shapes[layer.name]
        table.add_row(
            layer.name,
            layer.module or "(output)",
            "×".join(map(str, shape)),
            str(torch.Size(shape).numel()),
            str(x.shape[1]),
        )
    console = new_console()
    console.print(table)
    tell_notice(console, choice.notice)
