"""Builds timm models for a given image size."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import timm
import torch
from torch import Tensor, nn

from repdyn.errors import SettingError, UserError, nearest
from repdyn.memory import available_memory
from repdyn.model_limits import limited
from repdyn.settings.schema import Family, ModelConfig

SMALL_IMAGE = 64
"""Up to this side in pixels a ResNet gets the 3×3 stride-1 stem without max-pooling that He et al.
(2016, section 4.2) used on CIFAR."""

LARGEST_ARGUMENT = 1_000_000
"""For timm's numeric arguments: none of its models has a dimension as large."""

_FAMILIES: Mapping[str, Family] = {"resnet": "resnet", "vision_transformer": "vit", "deit": "vit"}
_NAME = re.compile(r"\w+(\.[\w-]+)?", re.ASCII)


def family(arch: str) -> Family:
    """Return whether a timm model is a ResNet, a ViT or something else.

    Raises:
        UserError: timm has no such model; suggests similar names.
    """
    # not the places that timm would load a model from: hf-hub:NAME, local-dir:PATH
    if not _NAME.fullmatch(arch) or not timm.is_model(arch):
        raise SettingError(
            "arch", arch, f"timm has no such model{nearest(arch, timm.list_models())}"
        )
    module = timm.models.model_entrypoint(arch).__module__.rpartition(".")[2]
    return _FAMILIES.get(module, "other")


def build(config: ModelConfig, *, image_size: int, channels: int, classes: int) -> nn.Module:
    """Build a freshly initialised model that takes (N, channels, image_size, image_size) images.

    ResNets are initialised without zeroed last BatchNorms and ViTs with timm's `jax` scheme: with
    timm's defaults narrow ones stay near chance for tens of epochs. `arch_arg` overrides both.
    The global torch seed fixes the weights. `sketch` checks how large the model becomes.

    Raises:
        UserError: unknown model, an argument timm does not accept, or a model that cannot process
            images of this size.
    """
    return _built(config, image_size=image_size, channels=channels, classes=classes)


def sketch(config: ModelConfig, *, image_size: int, channels: int, classes: int) -> nn.Module:
    """Build the model as `build` does, on the meta device: it has shapes and takes no memory.

    Raises:
        UserError: as in `build`, or the model is larger than the available memory.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return _built(
            config,
            image_size=image_size,
            channels=channels,
            classes=classes,
            most=available_memory(),
        )


def _built(
    config: ModelConfig, *, image_size: int, channels: int, classes: int, most: int | None = None
) -> nn.Module:
    """Build the model on the current device, with at most `most` bytes."""
    kind = family(config.arch)
    plain = kind == "resnet" and _has_plain_stem(config.arch)
    arguments = _arguments(config, kind, image_size) | {
        "in_chans": channels,
        "num_classes": classes,
    }
    try:
        with nullcontext() if most is None else limited(most):
            model: nn.Module = timm.create_model(config.arch, **arguments)
            if kind == "resnet":
                _fit_stem(model, small=image_size <= SMALL_IMAGE, plain=plain)
        _try(model, image_size, channels)
    except UserError:
        raise
    except Exception as error:  # timm's, which depend on arch_arg
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(
            "arch",
            config.arch,
            f"timm cannot build it for {image_size}×{image_size} images{_said(config)}: "
            f"{reason[:200]} (`arch_arg key=value` passes arguments to timm)",
        ) from error
    return model


def _arguments(config: ModelConfig, kind: Family, image_size: int) -> dict[str, Any]:
    """Return timm's arguments: those that adapt a model to image size and width, and the user's."""
    given = _arch_args(config.arch_arg)
    width = 1.0 if config.width is None else config.width
    if kind == "resnet":
        return {"zero_init_last": False} | _resnet_width(config.arch, width) | given
    if kind == "vit":
        if "img_size" in given:
            raise SettingError(
                "arch_arg", "img_size", "is set by the data set's image size; remove it"
            )
        size = {"img_size": image_size, "patch_size": patch_size(image_size)}
        return size | {"weight_init": "jax"} | _vit_width(config.arch, width) | given
    if width != 1:
        raise SettingError(
            "width", width, f"only scales ResNets and ViTs; {config.arch} is neither"
        )
    return given


def patch_size(image_size: int) -> int:
    """Return the divisor of the image's side that gives closest to 64 tokens (32 px → 4)."""
    divisors = [d for d in range(1, image_size + 1) if image_size % d == 0]
    return min(divisors, key=lambda d: abs(math.log(image_size / d) - math.log(8)))


def _arch_args(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Parse key=value pairs: values as Python literals if they are valid ones, else as text.

    Raises:
        UserError: a number is too large.
    """
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):  # the last of nested ones
            arguments[key] = value
        if not all(abs(number) <= LARGEST_ARGUMENT for number in _numbers(arguments[key])):
            raise SettingError("arch_arg", pair, f"numbers must be at most {LARGEST_ARGUMENT:,}")
    return arguments


def _numbers(value: object) -> Iterator[float]:
    """Yield the numbers in a literal."""
    if isinstance(value, int | float | complex):
        yield abs(value)
    elif isinstance(value, Mapping):
        yield from _numbers([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _numbers(each)


def _stock(arch: str) -> nn.Module:
    """Return the unmodified model without allocating its weights, to read its dimensions."""
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
    said = [f"`width {config.width}`"] if config.width is not None else []
    said += [f"`arch_arg {pair}`" for pair in config.arch_arg]
    return f" with {' '.join(said)}" if said else ""
