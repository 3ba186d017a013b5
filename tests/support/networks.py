"""Small networks with the habits that make measuring go wrong."""

import torch
from torch import Tensor, nn

from repdyn.layer import Layer


class Mlp(nn.Module):
    """Linear, in-place ReLU, linear: the first layer's output is overwritten by what follows it."""

    def __init__(self, inputs: int = 6, hidden: int = 12, classes: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.act(self.first(x.flatten(1))))
        return logits


class Residual(nn.Module):
    """A convolution, then a residual block whose last BatchNorm starts at zero, as timm's does."""

    def __init__(self, channels: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn2.weight)
        self.branch = nn.Identity()
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.stem(x)))
        x = torch.relu(x + self.branch(self.bn2(self.conv(x))))
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


class Scaled(nn.Module):
    """Features are the inputs, scaled and shifted by the same amount for all images."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layer(x * self.scale + self.offset)
        return features


def compiled(model: nn.Module) -> nn.Module:
    """Return a model within the wrapper of `torch.compile`, which nothing has run yet."""
    found = torch.compile(model, backend="eager")
    assert isinstance(found, nn.Module)
    return found


FIRST = Layer("first", "first")
LOGITS = Layer("logits", "")
IDENTITY = Layer("layer", "layer")
