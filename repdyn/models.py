"""A timm model for the image size at hand."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
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
