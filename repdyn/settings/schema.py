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
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Group, Parameter, Token

from repdyn.errors import UserError
from repdyn.measures import spec
from repdyn.pattern import check_pattern

DATA = Group("Data", sort_key=1)
MODEL = Group("Model", sort_key=2)
OPTIMISATION = Group("Training", sort_key=3)
MEASURES = Group("Measures", sort_key=4)
TRACKING = Group("Tracking", sort_key=5)

Family = Literal["resnet", "vit", "other"]
Augment = Literal["none", "flip", "crop-flip"]
Schedule = Literal["constant", "cosine"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "bf16"]
OnNan = Literal["stop", "continue"]
BatchNormStatistics = Literal["precise", "running"]
CkaEstimator = Literal["unbiased", "biased"]
Probe = Literal["logistic", "ridge"]
ProbeFeatures = Literal["pooled", "flat"]
ProbeLabels = Literal["given", "true"]

MOST_EPOCHS = 1_000_000
MOST_CHECKPOINTS = 20_000
"""Checkpoints per run: with more, a reader would report the files as damaged."""

MOST_CHARACTERS = 1000
"""In a text setting: anything longer is not a name, path or pattern, and slow to process."""

MOST_EXPERIMENT_CHARACTERS = 500
MOST_RUN_CHARACTERS = 250
"""In the names of experiments and runs: the limits of MLflow's tables."""

SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""Range of float32's normal numbers, the type in which torch receives a setting."""

RESERVED_ARGUMENTS = frozenset(
    {
        "cache_dir",
        "checkpoint_path",
        "device",
        "dtype",
        "exportable",
        "feature_cfg",
        "feature_cls",
        "features_only",
        "in_chans",
        "kwargs_filter",
        "model_cfg",
        "model_cls",
        "model_name",
        "no_jit",
        "num_classes",
        "out_indices",
        "pruned",
        "scriptable",
        "variant",
    }
)
"""timm arguments that a run may not set: runs are untrusted, and these read files, use the network
or override what repdyn sets itself. The same holds for every name that starts with `pretrained`."""

T = TypeVar("T")


def _check(config: object, name: str, holds: Callable[[Any], bool], must: str) -> None:
    """Raise a UserError if a given value is invalid."""
    value = getattr(config, name)
    if value is not None and not holds(value):
        raise UserError(f"--{name.replace('_', '-')} {value}: must be {must}")


def _check_count(config: object, name: str, least: int, most: int) -> None:
    """Raise a UserError if a given number is out of bounds."""
    must = f"at least {least} and at most {most:,}"
    _check(config, name, lambda n: least <= n <= most, must)


def _check_plain(config: Any) -> None:
    """Raise a UserError if a setting, of any type, cannot be stored or computed with.

    Text must be short and without control characters; a float must be representable in float32.
    """
    for setting in dataclasses.fields(config):
        option = f"--{setting.name.replace('_', '-')}"
        value = getattr(config, setting.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, str | Path):
                check_text(option, str(part), MOST_CHARACTERS)
            elif isinstance(part, float) and part and not SMALLEST <= abs(part) <= LARGEST:
                raise UserError(
                    f"{option} {part}: must be representable in float32, "
                    f"from {SMALLEST:.2g} to {LARGEST:.2g}"
                )


def check_text(name: str, text: str, most: int) -> None:
    """Check text that is to be stored.

    Args:
        name: what the text is, for the message.
        text: to check.
        most: maximum number of characters.

    Raises:
        UserError: it is too long, has control characters or is not Unicode.
    """
    if len(text) > most:
        raise UserError(f"{name}: {len(text):,} characters; give at most {most:,}")
    strange = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs")), None)
    if strange is not None:
        raise UserError(
            f"{name}: contains the non-printable character U+{ord(strange):04X}; remove it"
        )


def _checkpoints(_hint: object, tokens: Sequence[Token]) -> int | tuple[int, ...]:
    """Read a number, or comma-separated epochs; a YAML list comes as one token per epoch."""
    words = [word for token in tokens for word in token.value.replace(",", " ").split()]
    try:
        epochs = tuple(int(word) for word in words)
    except ValueError:
        said = " ".join(words)
        raise UserError(
            f"--checkpoints {said}: give a number, or a list of epochs such as 0,1,10"
        ) from None
    if not epochs:
        raise UserError("--checkpoints: give a number, or a list of epochs such as 0,1,10")
    listed = len(epochs) > 1 or any("," in token.value for token in tokens)
    return epochs if listed else epochs[0]


def _names(_hint: object, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Read comma-separated names; a YAML list comes as one token per name."""
    words = (word for token in tokens for word in token.value.replace(",", " ").split())
    return tuple(dict.fromkeys(words))


@Parameter(name="*", group=DATA)
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
        _check_count(self, "train_size", 2, 10**9)
        _check_count(self, "image_size", 4, 8192)
        _check(self, "label_noise", lambda s: 0 <= s < 1, "at least 0 and below 1")
        _check(self, "data_seed", lambda s: 0 <= s < 2**63, "a whole number that is not negative")
        _check_plain(self)


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Settings of the model."""

    arch: str = "resnet18"
    """Any timm model name; stem and patches are adapted to small images."""

    width: float | None = None
    """Scales the channels of a ResNet or the embedding of a ViT."""

    arch_arg: Annotated[tuple[str, ...], Parameter(negative_iterable=(), show_default=False)] = ()
    """key=value argument passed to timm; may be repeated."""

    def __post_init__(self) -> None:
        _check(self, "width", lambda w: 0.001 <= w <= 16, "at least 0.001 and at most 16")
        _check_plain(self)
        for text in self.arch_arg:
            _check_argument(text)


def _check_argument(text: str) -> None:
    key, equals, _ = text.partition("=")
    if not equals or not key.isidentifier() or not key.isascii():
        raise UserError(f"--arch-arg {text}: write key=value, for example depth=6")
    if key in RESERVED_ARGUMENTS or key.startswith("pretrained"):
        raise UserError(
            f"--arch-arg {text}: repdyn sets {key} itself or does not allow it; remove it"
        )


@Parameter(name="*", group=OPTIMISATION)
@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Settings of the training."""

    opt: str = "sgd"
    """Any timm optimizer: sgd, adam, adamw, lion, muon, and more."""

    lr: float | None = None
    """Learning rate (default: set by optimizer, architecture family and data set; printed)."""

    momentum: float = 0.9
    """Momentum, for optimizers that have one."""

    weight_decay: float = 0.0
    """Weight decay; not applied to biases and norms, as in timm."""

    schedule: Schedule = "constant"
    """Learning-rate schedule."""

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

    def __post_init__(self) -> None:
        _check(self, "lr", lambda x: 0 < x < math.inf, "above 0")
        _check(self, "momentum", lambda x: 0 <= x < 1, "at least 0 and below 1")
        _check(self, "weight_decay", lambda x: 0 <= x <= 1e6, "at least 0 and at most 1e6")
        _check_count(self, "batch_size", 2, 10**9)
        _check(self, "epochs", lambda n: 1 <= n <= MOST_EPOCHS, f"from 1 to {MOST_EPOCHS:,}")
        if not isinstance(self.keep_checkpoints, str):
            _check_count(self, "keep_checkpoints", 1, MOST_EPOCHS)
        _check_count(self, "save_every", 1, MOST_EPOCHS)
        _check(self, "seed", lambda s: 0 <= s < 2**63, "a whole number that is not negative")
        _check_plain(self)


@Parameter(name="*", group=MEASURES)
@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """What is measured at each checkpoint."""

    checkpoints: Annotated[
        int | tuple[int, ...] | None, Parameter(converter=_checkpoints, n_tokens=1, negative=())
    ] = None
    """Number, log-spaced, including the first and last epoch; or a list of epochs: 0,1,10,100."""

    layers: Annotated[str, Parameter(show_default=False)] = ""
    """Regular expression that selects watched layers by name (default: all)."""

    bn: BatchNormStatistics = "precise"
    """precise: recompute BatchNorm's statistics over training images, on a copy, before measuring."""

    similarity: Annotated[tuple[str, ...], Parameter(converter=_names, n_tokens=1, negative=())] = (
        "cka",
        "regions",
    )
    """Similarity measures, comma-separated: cka, regions, knn (overlap of nearest neighbours)."""

    cka: CkaEstimator = "unbiased"
    """unbiased: HSIC1 over minibatches (Nguyen et al. 2021); biased (Kornblith et al. 2019)."""

    probe_images: int | None = None
    """Number of test images used for CKA and to test the probes."""

    cka_batch: int = 250
    """Images per CKA minibatch."""

    neighbours: int = 10
    """Nearest neighbours per reference image, for the measure knn."""

    probe: Probe = "logistic"
    """logistic: L2-regularised multinomial logistic regression; ridge: closed form, faster."""

    probe_features: ProbeFeatures = "pooled"
    """pooled: spatial mean, or class token and mean of the other tokens; flat: all features."""

    probe_train: int | None = None
    """Number of training images used to train the probes."""

    probe_labels: ProbeLabels = "given"
    """Labels the probes are trained on."""

    probe_l2: float = 1e-3
    """Regularisation: l2/2 ‖W‖² is added to the mean cross-entropy."""

    planes: int | None = None
    """Number of planes for decision-region similarity, through test, training and noisy images."""

    grid: int = 12
    """Points per side of a plane's grid."""

    fine_planes: int = 3
    """Number of planes also drawn on a finer grid."""

    fine_grid: int = 32
    """Points per side of the finer grid."""

    def __post_init__(self) -> None:
        _check_count(self, "probe_images", 4, 10**9)
        # HSIC1 divides by b (b - 3)
        _check_count(self, "cka_batch", 4, 10**9)
        _check_count(self, "neighbours", 1, 10_000)
        _check_count(self, "probe_train", 2, 10**9)
        _check(self, "probe_l2", lambda x: 0 < x < math.inf, "above 0")
        _check_count(self, "planes", 3, 100_000)
        _check_count(self, "grid", 2, 1024)
        _check_count(self, "fine_planes", 0, 100_000)
        _check_count(self, "fine_grid", 2, 4096)
        _check_checkpoints(self.checkpoints)
        _check_similarity(self.similarity)
        _check_plain(self)
        check_pattern(self.layers)


def _check_similarity(names: tuple[str, ...]) -> None:
    if not names:
        raise UserError(f"--similarity: give at least one of {', '.join(spec.MEASURES)}")
    for name in names:
        try:
            spec.spec(name)
        except UserError as error:
            raise UserError(f"--similarity {error}") from None


def _check_checkpoints(checkpoints: int | tuple[int, ...] | None) -> None:
    match checkpoints:
        case int(n) if n < 2:
            raise UserError(f"--checkpoints {n}: must be at least 2, the first and the last epoch")
        case int(n) if n > MOST_CHECKPOINTS:
            raise UserError(f"--checkpoints {n}: must be at most {MOST_CHECKPOINTS:,}")
        case tuple(epochs) if any(e < 0 for e in epochs):
            raise UserError(f"--checkpoints {min(epochs)}: epochs start at 0")
        case tuple(epochs) if len(epochs) > MOST_CHECKPOINTS:
            raise UserError(
                f"--checkpoints: {len(epochs):,} epochs; give at most {MOST_CHECKPOINTS:,}"
            )


@Parameter(name="*", group=TRACKING)
@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where the runs are."""

    tracking_uri: str | None = field(default=None, repr=False)  # it may hold a password
    """MLflow store or server (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)."""

    experiment: str | None = None
    """MLflow experiment (default: MLFLOW_EXPERIMENT_NAME, else repdyn)."""

    def __post_init__(self) -> None:
        _check_plain(self)
        if self.experiment is not None:
            check_text("--experiment", self.experiment, MOST_EXPERIMENT_CHARACTERS)


def known(value: T | None) -> T:
    """Return a setting that the defaults have already filled in."""
    if value is None:
        raise AssertionError("a resolved configuration leaves no such setting open")
    return value


@Parameter(name="*")
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
        return {name: _text(value) for name, value in self.settings()}


LISTS = frozenset({"arch_arg", "checkpoints", "similarity"})
"""Settings whose value is a list."""


def given_settings(params: Mapping[str, str], part: type) -> dict[str, str | list[str]]:
    """Return the settings of one dataclass among MLflow's params, as a YAML file would give them."""
    names = [f.name for f in dataclasses.fields(part) if params.get(f.name, "None") != "None"]
    return {n: _words(n, params[n]) if n in LISTS else params[n] for n in names}


def _words(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:  # an unclosed quotation mark
        raise UserError(f"--{name.replace('_', '-')} {text[:100]}: {error}") from None


def from_params(params: Mapping[str, str]) -> TrainConfig:
    """Return the configuration that `TrainConfig.params` wrote.

    Raises:
        UserError: a value is invalid for its setting. Params of other names are ignored.
    """
    given: dict[str, str | list[str]] = {}
    for part in (DataConfig, ModelConfig, OptimConfig, MeasureConfig):
        given |= given_settings(params, part)
    return from_settings(given)


def from_settings(settings: Mapping[str, str | list[str]]) -> TrainConfig:
    """Return the configuration with these settings, given as in a YAML file.

    Raises:
        UserError: a value is invalid for its setting.
    """
    from cyclopts import App, CycloptsError
    from cyclopts.config import Dict

    app = App(config=Dict(dict(settings), source="settings", use_commands_as_keys=False))
    app.default(_identity)
    try:
        config: TrainConfig = app(
            [], exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        said = " ".join(str(error).split())
        # it repeats the value, which in an untrusted run may be of any length
        raise UserError(said if len(said) < 600 else f"{said[:300]} … {said[-150:]}") from None
    return config


def _identity(config: TrainConfig | None = None) -> TrainConfig:
    return config or TrainConfig()


def _text(value: object) -> str:
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)
