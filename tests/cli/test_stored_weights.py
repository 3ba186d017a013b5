"""Weights that are not finite are not stored without a word."""

import io

import torch
from torch import nn

from repdyn.cli.console import new_console
from repdyn.cli.progress import Progress
from repdyn.runs.storing import store_weights


class Writer:
    def __init__(self) -> None:
        self.paths: list[str] = []

    def put(self, path: str, content: bytes) -> None:
        self.paths.append(path)


def test_tensors_that_are_not_finite_are_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2), nn.Linear(2, 2))
    writer, out = Writer(), io.StringIO()
    assert store_weights(writer, model, 6) == ()  # type: ignore[arg-type]  # has what is called
    with torch.no_grad():
        model.get_parameter("0.weight")[0, 0] = float("nan")
        for layer in (0, 2, 3):
            model.get_parameter(f"{layer}.bias")[1] = float("inf")
    names = store_weights(writer, model, 7)  # type: ignore[arg-type]  # has what is called
    assert names == ("0.weight", "0.bias", "2.bias", "3.bias")
    progress = Progress(new_console(out), 9, 3)
    progress.not_finite(6, ())
    progress.not_finite(7, names)
    assert out.getvalue() == (
        "epoch 7: stored weights are not finite: 0.weight, 0.bias, 2.bias and 1 more\n"
    )
    assert len(writer.paths) == 2
