"""Defaults that depend on the data set, the architecture family and the optimizer.

The values of `digits` make the paper's phenomenon visible within minutes on two CPU cores: clean
examples are fit first, the noisy ones are memorised over a stretch of epochs, and training goes on
for several times as long. The usual learning rates would fit it too soon for that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repdyn.errors import SettingError
from repdyn.settings.schema import Family, TrainConfig


@dataclass(frozen=True)
class Defaults:
    """Defaults of a data set.

    Attributes:
        train_size: number of training images; None for all.
        image_size: only for image folders, whose images are resized.
        width, arch_arg: by architecture family, where it differs from timm's.
        lr: learning rates by (family, sgd or adam), where they differ from LEARNING_RATES.
        eps: epsilon of the optimizers in WITH_EPSILON; None for their own.
    """

    epochs: int
    batch_size: int
    label_noise: float
    checkpoints: int
    planes: int
    probe_images: int
    probe_train: int
    train_size: int | None = None
    image_size: int | None = None
    width: Mapping[Family, float] = field(default_factory=dict)
    arch_arg: Mapping[Family, tuple[str, ...]] = field(default_factory=dict)
    lr: Mapping[tuple[Family, str], float] = field(default_factory=dict)
    eps: float | None = None


_DIGITS = Defaults(
    epochs=200,
    batch_size=64,
    label_noise=0.15,
    checkpoints=40,
    planes=60,
    probe_images=500,
    probe_train=500,
    width={"resnet": 0.125, "vit": 0.25},
    arch_arg={"vit": ("patch_size=2", "depth=6", "num_heads=4")},
    lr={
        ("resnet", "sgd"): 1.5e-3,
        ("resnet", "adam"): 1.5e-4,
        ("vit", "sgd"): 1.5e-2,
        ("vit", "adam"): 1e-3,
    },
    # Adam's steps grow as gradients vanish after the fit, until it loses it (Thilak et al. 2022, *The
    # Slingshot Mechanism*, who raise epsilon too). At 1e-8 and half the rate, a ViT fell back in two of
    # three seeds, at 1e-5 in one of two; at 1e-4 in none of three.
    eps=1e-4,
)

_GREY = Defaults(
    epochs=100,
    batch_size=128,
    label_noise=0.15,
    checkpoints=40,
    planes=60,
    probe_images=1000,
    probe_train=1000,
    width={"resnet": 0.25, "vit": 0.5},
)

_COLOUR = Defaults(
    epochs=1000,
    batch_size=128,
    label_noise=0.2,
    checkpoints=60,
    planes=60,
    probe_images=1000,
    probe_train=2000,
)

_FOLDER = dataclasses.replace(_COLOUR, label_noise=0.0, epochs=200, image_size=64)

DATA_SETS: Mapping[str, Defaults] = {
    "digits": _DIGITS,
    "mnist": _GREY,
    "fashion-mnist": _GREY,
    "cifar10": _COLOUR,
    "cifar100": _COLOUR,
    "svhn": _COLOUR,
    "imagefolder": _FOLDER,
}

LEARNING_RATES: Mapping[tuple[Family, str], float] = {
    ("resnet", "sgd"): 0.05,
    ("resnet", "adam"): 1e-3,
    ("vit", "sgd"): 0.03,
    ("vit", "adam"): 3e-4,
    ("other", "sgd"): 0.03,
    ("other", "adam"): 1e-3,
}
"""For batches of about 128 without warm-up: the usual ones of CIFAR recipes, which train without
diverging; a ViT takes a smaller Adam step than a ResNet."""

_SGD_LIKE = {
    "sgd": 1.0,
    "momentum": 1.0,
    "nesterov": 1.0,
    "sgdw": 1.0,
    "nesterovw": 1.0,
    "sgdp": 1.0,
}
_ADAM_LIKE = {
    "adam": 1.0,
    "adamw": 1.0,
    "adamp": 1.0,
    "nadam": 1.0,
    "nadamw": 1.0,
    "radam": 1.0,
    "radamw": 1.0,
    "adamax": 2.0,
    "adabelief": 1.0,
    "rmsprop": 0.3,
    "rmsproptf": 0.3,
    "lamb": 3.0,
    "lion": 0.2,
    "muon": 5.0,
    "adan": 2.0,
}
"""Step sizes relative to Adam's: Lion's sign updates need 3-10 times smaller ones (Chen et al.
2023), Muon's orthogonalised ones larger ones (Jordan et al. 2024)."""

WITH_EPSILON = frozenset({"adam", "adamw", "nadam", "nadamw", "radam", "radamw"})
"""Optimizers that divide by the root of the second moment plus epsilon, as Adam does."""


WIDTH_POWERS: Mapping[tuple[Family, str], float] = {
    ("resnet", "sgd"): 1.0,
    ("resnet", "adam"): 1.0,
    ("vit", "sgd"): 0.0,
    ("vit", "adam"): 1.0,
}
"""k, by which a network of w times a data set's width takes w⁻ᵏ of its learning rate, so that
networks of all widths fit at like epochs. Adam's steps change a layer's output in proportion to its
width (Yang et al. 2022, *Tensor Programs V*): k = 1. With one rate for all widths, perfect fit on
the digits came, at a half, one and two of the default widths, at epochs 78, 31, 16 in a ResNet by
SGD; later than 120, 45, 17 by Adam; 62, 51, 48 in a ViT by SGD, which needs none."""


def optimizer_kind(opt: str) -> str | None:
    """Return sgd or adam, whichever an optimizer is like; None if the tables do not list it."""
    kinds = {"sgd": _SGD_LIKE, "adam": _ADAM_LIKE}
    return next((kind for kind, factors in kinds.items() if opt in factors), None)


def learning_rate(
    opt: str,
    family: Family,
    data_set: Defaults,
    width: float | None = None,
    factor: float | None = None,
) -> float | None:
    """Return the default learning rate, or None for an optimizer that the tables do not list.

    Args:
        opt: name of the optimizer.
        family: of the architecture.
        data_set: its defaults.
        width: of the network (None: the data set's).
        factor: that multiplies it (None: 1).
    """
    kind = optimizer_kind(opt)
    if kind is None:
        return None
    base = data_set.lr.get((family, kind), LEARNING_RATES[family, kind])
    usual = data_set.width.get(family, 1.0)
    power = WIDTH_POWERS.get((family, kind), 0.0)
    scaled = base * (usual / (width or usual)) ** power
    own = scaled * (_SGD_LIKE | _ADAM_LIKE)[opt]
    return float(f"{own * (factor or 1.0):.4g}")


def check_given(config: TrainConfig) -> None:
    """Check settings as a user gives them: a resolved configuration has both rate and factor.

    Raises:
        SettingError: `lr` and `lr_factor` are both given.
    """
    if config.optim.lr is not None and config.optim.lr_factor is not None:
        raise SettingError(
            "lr_factor",
            config.optim.lr_factor,
            "multiplies the default learning rate; give either `lr` or `lr_factor`",
        )


def _of(config: TrainConfig) -> Defaults:
    return DATA_SETS.get(config.data.dataset.partition(":")[0], _FOLDER)


def short_notice(config: TrainConfig) -> str:
    """Return in a sentence that scores may be undefined as the run is short; nothing if it is not.

    Args:
        config: with defaults filled in.
    """
    epochs, usual = config.optim.epochs, _of(config).epochs
    if epochs is None or epochs >= usual:
        return ""
    from repdyn.analysis.undefined import REACHES  # numpy is slow to import

    return (
        f"`epochs` {epochs}: scores at perfect fit are defined only if training accuracy is perfect by epoch "
        f"{int(epochs / REACHES)}, as they need {REACHES:.2g} × its epoch; omit `epochs` for the usual {usual}"
    )


def resolved(config: TrainConfig, family: Family) -> tuple[TrainConfig, dict[str, Any]]:
    """Fill in the settings that were not given.

    Returns:
        The configuration, and the settings filled in from the defaults, by name.
    """
    optim, d = config.optim, _of(config)
    brought: dict[str, Any] = {}

    def fill(part: Any, **defaults: Any) -> Any:
        missing = {
            k: v for k, v in defaults.items() if getattr(part, k) in (None, ()) and v is not None
        }
        brought.update(missing)
        return dataclasses.replace(part, **missing)

    filled = TrainConfig(
        data=fill(
            config.data,
            train_size=d.train_size,
            image_size=d.image_size,
            label_noise=d.label_noise,
        ),
        model=fill(
            config.model,
            width=d.width.get(family, 1.0),
            arch_arg=d.arch_arg.get(family, ()) or None,
        ),
        optim=fill(
            optim,
            lr=learning_rate(optim.opt, family, d, config.model.width, optim.lr_factor),
            eps=d.eps if optim.opt in WITH_EPSILON else None,
            batch_size=d.batch_size,
            epochs=d.epochs,
        ),
        measure=fill(
            config.measure,
            checkpoints=d.checkpoints,
            probe_images=d.probe_images,
            probe_train=d.probe_train,
            planes=d.planes,
        ),
    )
    return filled, brought
