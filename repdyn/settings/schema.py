"""Every setting, defined once: name, type, default, help, check.

The command line's options, the keys of a YAML file and MLflow's params all derive from these
dataclasses: field `label_noise` is `--label-noise`, `label_noise: 0.15` and param `label_noise`.
The string below a field is its help. A default of None means that the data set, the architecture
or the optimizer determines it (see defaults.py); `resolved` configurations have no such None.
"""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from repdyn.checks import (
    MOST_EXPERIMENT_CHARACTERS,
    check,
    check_argument,
    check_checkpoints,
    check_count,
    check_plane_kinds,
    check_setting_text,
    check_storable,
)
from repdyn.measures.settings import MeasureSettings
from repdyn.pattern import check_pattern

Family = Literal["resnet", "vit", "other"]
Augment = Literal["none", "flip", "crop-flip"]
Schedule = Literal["constant", "cosine"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "bf16"]
OnNan = Literal["stop", "continue"]
ProbeLabels = Literal["given", "true"]

MOST_EPOCHS = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Settings of the data."""

    dataset: str = "digits"
    """digits, mnist, fashion-mnist, cifar10, cifar100, svhn, or imagefolder:PATH."""

    data_dir: Path = Path("data")
    """Folder that data sets are read from and downloaded to."""

    train_size: int | None = None
    """Number of training images to use, drawn with the data seed."""

    image_size: int | None = None
    """Side in pixels to resize an image folder's images to."""

    label_noise: float | None = None
    """Share of training labels flipped to another class (symmetric), fixed by the data seed."""

    augment: Augment = "none"
    """Augmentation of the training images: none, horizontal flip, or padded crop and flip."""

    data_seed: int = 0
    """Fixes the subset, the label noise, the reference images and the planes."""

    def __post_init__(self) -> None:
        check_count(self, "train_size", 2, 10**9)
        check_count(self, "image_size", 4, 8192)
        check(self, "label_noise", lambda s: 0 <= s < 1, "at least 0 and below 1")
        check(self, "data_seed", lambda s: 0 <= s < 2**63, "a whole number that is not negative")
        check_storable(self)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Settings of the model."""

    arch: str = "resnet18"
    """Any timm model name; stem and patches are adapted to small images."""

    width: float | None = None
    """Scales the channels of a ResNet or the embedding of a ViT."""

    arch_arg: tuple[str, ...] = ()
    """key=value argument passed to timm; may be repeated."""

    def __post_init__(self) -> None:
        check(self, "width", lambda w: 0.001 <= w <= 16, "at least 0.001 and at most 16")
        check_storable(self)
        for text in self.arch_arg:
            check_argument(text)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Settings of the training."""

    opt: str = "sgd"
    """Any timm optimizer: sgd, adam, adamw, lion, muon, and more."""

    lr: float | None = None
    """Learning rate (default: set by optimizer, architecture family and data set; printed)."""

    lr_factor: float | None = None
    """Multiplies the default learning rate, as in --lr-factor 0.1,0.3,1,3; not together with lr."""

    momentum: float = 0.9
    """Momentum, for optimizers that have one."""

    eps: float | None = None
    """Epsilon of Adam and its variants (default: the optimizer's own; on the digits, larger)."""

    weight_decay: float = 0.0
    """Weight decay; not applied to biases and norms, as in timm."""

    schedule: Schedule = "constant"
    """Learning-rate schedule, after the warm-up."""

    warmup_epochs: int | None = None
    """Epochs over which the learning rate rises to its value (default: 0)."""

    batch_size: int | None = None
    """Images per step."""

    epochs: int | None = None
    """Number of epochs to train."""

    seed: int = 0
    """Fixes the initial weights, the order of the images and the augmentation."""

    device: Device = "auto"
    """auto uses cuda if available, else cpu."""

    precision: Precision = "fp32"
    """bf16 uses autocast."""

    compile: bool = False
    """Compile the training step's model with torch.compile."""

    keep_checkpoints: Literal["all", "phases", "last"] | int = "all"
    """Weights to keep: all; phases (at the end, those at phase boundaries); last; N: the last N."""

    on_nan: OnNan = "stop"
    """When the loss is NaN or infinite: stop the run, or continue."""

    save_every: int | None = None
    """Save the state for --resume every N epochs (default: once a minute)."""

    figures: bool = True
    """Draw figures at the end of the run; the screen and reports draw from the numbers."""

    log_models: bool = False
    """Have MLflow list the kept checkpoints as models, and rank them by their metrics."""

    def __post_init__(self) -> None:
        check(self, "lr", lambda x: 0 < x < math.inf, "above 0")
        check(self, "lr_factor", lambda x: 1e-6 <= x <= 1e6, "from 1e-6 to 1e6")
        check(self, "eps", lambda x: 0 < x <= 1, "above 0 and at most 1")
        check(self, "momentum", lambda x: 0 <= x < 1, "at least 0 and below 1")
        check(self, "weight_decay", lambda x: 0 <= x <= 1e6, "at least 0 and at most 1e6")
        check_count(self, "batch_size", 2, 10**9)
        check(self, "epochs", lambda n: 1 <= n <= MOST_EPOCHS, f"from 1 to {MOST_EPOCHS:,}")
        if not isinstance(self.keep_checkpoints, str):
            check_count(self, "keep_checkpoints", 1, MOST_EPOCHS)
        check(
            self,
            "warmup_epochs",
            lambda n: 0 <= n < (self.epochs or MOST_EPOCHS),
            "at least 0 and less than the number of epochs",
        )
        check_count(self, "save_every", 1, MOST_EPOCHS)
        check(self, "seed", lambda s: 0 <= s < 2**63, "a whole number that is not negative")
        check_storable(self)


@dataclass(frozen=True, kw_only=True)
class MeasureConfig(MeasureSettings):
    """What is measured at each checkpoint of a training."""

    checkpoints: int | tuple[int, ...] | None = None
    """Number, log-spaced, including the first and last epoch; or a list of epochs: 0,1,10,100."""

    layers: str = ""
    """Regular expression that selects watched layers by name (default: all)."""

    probe_images: int | None = None
    """Number of test images used for CKA and to test the probes."""

    probe_train: int | None = None
    """Number of training images used to train the probes."""

    probe_labels: ProbeLabels = "given"
    """Labels the probes are trained on."""

    planes: int | None = None
    """Number of planes for decision-region similarity (DRS), each through three images."""

    plane_kinds: tuple[str, ...] | None = None
    """Images of the planes, in turn: test, train, noisy (one label is wrong); default: all."""

    fine_planes: int = 3
    """Number of planes also drawn on a finer grid."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "probe_images", 4, 10**9)
        check_count(self, "probe_train", 2, 10**9)
        check_count(self, "planes", 3, 100_000)
        check_count(self, "fine_planes", 0, 100_000)
        check_plane_kinds(self.plane_kinds)
        check_checkpoints(self.checkpoints)
        check_pattern(self.layers)


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where the runs are."""

    tracking_uri: str | None = field(default=None, repr=False)  # it may hold a password
    """MLflow store or server (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)."""

    experiment: str | None = None
    """MLflow experiment (default: MLFLOW_EXPERIMENT_NAME, else repdyn)."""

    def __post_init__(self) -> None:
        check_storable(self)
        if self.experiment is not None:
            check_setting_text("experiment", self.experiment, MOST_EXPERIMENT_CHARACTERS)


def known(value: T | None) -> T:
    """Return a setting that the defaults have already filled in."""
    if value is None:
        raise AssertionError("a resolved configuration leaves no such setting open")
    return value


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of a run except where it is stored."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)

    def settings(self) -> Iterator[tuple[str, Any]]:
        """Yield each setting's name and value, in order of definition."""
        for group in dataclasses.fields(self):
            part = getattr(self, group.name)
            for setting in dataclasses.fields(part):
                yield setting.name, getattr(part, setting.name)

    def params(self) -> dict[str, str]:
        """Return MLflow's params: each setting as text, lists quoted as in a shell."""
        return {name: param_text(value) for name, value in self.settings()}


def param_text(value: object) -> str:
    """Return the value of a setting as text, as MLflow's params have it."""
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)
