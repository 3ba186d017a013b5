"""A timm model for the image size at hand, and which of its modules are the watched layers."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn

from repdyn.config import Family, ModelConfig
from repdyn.errors import UserError, nearest

SMALL_IMAGE = 64
"""Up to this side in pixels a ResNet gets the 3×3 stride-1 stem without max-pooling that He et al.
(2016, section 4.2) used on CIFAR."""

_FAMILIES: Mapping[str, Family] = {"resnet": "resnet", "vision_transformer": "vit", "deit": "vit"}
_CONTAINERS = frozenset({"blocks", "layers", "stages", "features", "encoder"})
_FIRST = ("stem", "patch_embed", "stem_conv", "conv_stem")


@dataclass(frozen=True)
class Layer:
    """A watched layer.

    Attributes:
        name: as shown and stored, for example `layer1.0`.
        module: path of the module whose output is watched; empty for the model itself.
        prefix_tokens: class and register tokens that lead its token sequence.
        channels: position of the channel axis in a feature map's output, 1 (NCHW) or 3 (NHWC).
    """

    name: str
    module: str
    prefix_tokens: int = 0
    channels: int = 1


def family(arch: str) -> Family:
    """Return whether a timm model is a ResNet, a ViT or something else.

    Raises:
        UserError: timm has no such model; names the nearest ones.
    """
    if not timm.is_model(arch):
        raise UserError(f"--arch {arch}: timm has no such model{nearest(arch, timm.list_models())}")
    module = timm.models.model_entrypoint(arch).__module__.rpartition(".")[2]
    return _FAMILIES.get(module, "other")


def build(config: ModelConfig, *, image_size: int, channels: int, classes: int) -> nn.Module:
    """Build a freshly initialised model that takes (N, channels, image_size, image_size) images.

    ResNets are initialised without zeroed last BatchNorms and ViTs with timm's `jax` scheme: with
    timm's defaults narrow ones stay near chance for tens of epochs. `--arch-arg` overrides both.
    The global torch seed fixes the weights.

    Raises:
        UserError: unknown model, an argument timm does not take, or a model that cannot take
            images of this size.
    """
    kind = family(config.arch)
    given = _arch_args(config.arch_arg)
    width = 1.0 if config.width is None else config.width
    adapted: dict[str, Any] = {}
    if kind == "resnet":
        adapted = {"zero_init_last": False} | _resnet_width(config.arch, width)
    elif kind == "vit":
        adapted = {
            "img_size": image_size,
            "patch_size": patch_size(image_size),
            "weight_init": "jax",
        } | _vit_width(config.arch, width)
    elif width != 1:
        raise UserError(f"--width {width}: scales ResNets and ViTs; {config.arch} is neither")
    arguments = adapted | {"in_chans": channels, "num_classes": classes} | given
    try:
        model: nn.Module = timm.create_model(config.arch, **arguments)
        if kind == "resnet":
            _fit_stem(model, small=image_size <= SMALL_IMAGE, plain=_has_plain_stem(config.arch))
        _try(model, image_size, channels)
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"--arch {config.arch}: timm cannot build it for {image_size}×{image_size} images"
            f"{_said(config)}: {reason[:200]} (--arch-arg key=value passes more to timm)"
        ) from error
    return model


def patch_size(image_size: int) -> int:
    """Return the divisor of the image's side that gives nearest to 64 tokens (32 px → 4)."""
    divisors = [d for d in range(1, image_size + 1) if image_size % d == 0]
    return min(divisors, key=lambda d: abs(math.log(image_size / d) - math.log(8)))


def watched_layers(model: nn.Module, pattern: str = "") -> tuple[Layer, ...]:
    """Return the layers to watch, in order of depth.

    A ResNet's are its stem, every residual block and the logits; a ViT's the patch embedding, every
    encoder block and the logits; of other models the children of their block containers, or failing
    these the model's own children.

    Args:
        model: any module; its own output is the layer `logits`.
        pattern: regular expression; only layers whose name it finds are returned.

    Raises:
        UserError: the pattern finds none; names what there is.
    """
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    axis = 3 if getattr(model, "output_fmt", "NCHW") == "NHWC" else 1
    if isinstance(model, timm.models.ResNet):
        blocks = [
            f"layer{i}.{name}"
            for i in range(1, 5)
            for name, _ in model.get_submodule(f"layer{i}").named_children()
        ]
        layers = [Layer("stem", "maxpool"), *(Layer(name, name) for name in blocks)]
    else:
        first = next((name for name in _FIRST if hasattr(model, name)), None)
        layers = [Layer(first, first, channels=axis)] if first else []
        blocks = list(_blocks(model)) or [n for n, _ in model.named_children() if n != first]
        layers += [Layer(name, name, prefix, axis) for name in blocks]
    layers.append(Layer("logits", ""))
    found = tuple(layer for layer in layers if re.search(pattern, layer.name))
    if not found:
        names = ", ".join(layer.name for layer in layers)
        raise UserError(f"--layers {pattern}: finds none of the layers {names}")
    return found


def _blocks(model: nn.Module) -> Iterator[str]:
    """Yield the paths of the blocks in the model's block containers, containers opened."""

    def opened(path: str, container: nn.Module) -> Iterator[str]:
        for name, child in container.named_children():
            inner = f"{path}.{name}"
            within = [n for n, _ in child.named_children() if n in _CONTAINERS]
            if isinstance(child, nn.Sequential | nn.ModuleList):
                yield from opened(inner, child)
            elif within:
                for n in within:
                    yield from opened(f"{inner}.{n}", child.get_submodule(n))
            else:
                yield inner

    for name, child in model.named_children():
        if name in _CONTAINERS and isinstance(child, nn.Sequential | nn.ModuleList):
            yield from opened(name, child)


def _arch_args(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Read key=value pairs: values as Python literals where they are some, else as text."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[key] = value
    return arguments


def _stock(arch: str) -> nn.Module:
    """Return the unchanged model without memory for its weights, to read its dimensions."""
    with torch.device("meta"):
        model: nn.Module = timm.create_model(arch)
    return model


def _has_plain_stem(arch: str) -> bool:
    return isinstance(_stock(arch).conv1, nn.Conv2d)


def _resnet_width(arch: str, width: float) -> dict[str, Any]:
    """Return timm's arguments that scale a ResNet's channels.

    timm fixes a plain stem at 64 channels; its deep stem has twice stem_width of them, so a scaled
    plain stem is asked for as a deep one, whose three convolutions `_fit_stem` makes one again.
    """
    if width == 1:
        return {}
    stock: Any = _stock(arch)
    expansion = stock.layer1[0].expansion
    stages = [info["num_chs"] // expansion for info in stock.feature_info[1:]]
    plain = isinstance(stock.conv1, nn.Conv2d)
    stem = stock.bn1.num_features // 2 if plain else stock.conv1[0].out_channels
    return {
        "channels": tuple(max(1, round(c * width)) for c in stages),
        "stem_width": max(1, round(stem * width)),
    } | ({"stem_type": "deep"} if plain else {})


def _fit_stem(model: nn.Module, *, small: bool, plain: bool) -> None:
    """Give a ResNet the stem of its image size."""
    net: Any = model
    if plain:
        inputs = (
            net.conv1.in_channels if isinstance(net.conv1, nn.Conv2d) else net.conv1[0].in_channels
        )
        kernel, stride = (3, 1) if small else (7, 2)
        if not isinstance(net.conv1, nn.Conv2d) or small:
            net.conv1 = nn.Conv2d(
                inputs, net.bn1.num_features, kernel, stride=stride, padding=kernel // 2, bias=False
            )
            nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    elif small:
        net.conv1[0].stride = (1, 1)
    if small:
        net.maxpool = nn.Identity()


def _vit_width(arch: str, width: float) -> dict[str, Any]:
    """Return timm's arguments that scale a ViT's embedding, its number of heads kept."""
    if width == 1:
        return {}
    stock: Any = _stock(arch)
    heads = stock.blocks[0].attn.num_heads
    return {"embed_dim": heads * max(1, round(stock.embed_dim * width / heads))}


@torch.no_grad()
def _try(model: nn.Module, image_size: int, channels: int) -> Tensor:
    """Run one blank image through the model in eval mode; its mode is restored."""
    training = model.training
    try:
        output: Tensor = model.eval()(torch.zeros(1, channels, image_size, image_size))
    finally:
        model.train(training)
    return output


def _said(config: ModelConfig) -> str:
    said = [f"--width {config.width}"] if config.width is not None else []
    said += [f"--arch-arg {pair}" for pair in config.arch_arg]
    return f" with {' '.join(said)}" if said else ""
