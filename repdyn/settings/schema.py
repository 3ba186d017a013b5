"""Every setting, written once: name, type, default, help, check.

The command line's options, the keys of a YAML file and MLflow's params all derive from these
dataclasses: field `label_noise` is `--label-noise`, `label_noise: 0.15` and param `label_noise`.
The string below a field is its help. A default of None means that the data set, the architecture
or the optimizer brings its own (see defaults.py); `resolved` configurations hold no such None.
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
"""Checkpoints of a run: of more, a reader would take the files for damaged."""

MOST_CHARACTERS = 1000
"""In a setting that is text: longer ones are no name, path or pattern, but slow to go through."""

MOST_EXPERIMENT_CHARACTERS = 500
MOST_RUN_CHARACTERS = 250
"""In the names of experiments and runs: MLflow's tables hold no more."""

SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""Magnitudes of float32's normal numbers, in which a setting reaches torch."""

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
"""timm's arguments that no run may give: a run is anyone's, and they read files, go to the network,
or change what repdyn sets itself. So is all that starts with `pretrained`."""

T = TypeVar("T")


def _check(config: object, name: str, holds: Callable[[Any], bool], must: str) -> None:
    """Raise the user's mistake where a given value does not hold."""
    value = getattr(config, name)
    if value is not None and not holds(value):
        raise UserError(f"--{name.replace('_', '-')} {value}: must be {must}")


def _check_count(config: object, name: str, least: int, most: int) -> None:
    """Raise the user's mistake where a given number lies outside of its bounds."""
    must = f"at least {least} and at most {most:,}"
    _check(config, name, lambda n: least <= n <= most, must)


def _check_plain(config: Any) -> None:
    """Raise the user's mistake where a setting of any kind cannot be computed with or stored.

    Text is short and without control characters; a float is one that float32 holds.
    """
    for setting in dataclasses.fields(config):
        option = f"--{setting.name.replace('_', '-')}"
        value = getattr(config, setting.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, str | Path):
                check_text(option, str(part), MOST_CHARACTERS)
            elif isinstance(part, float) and part and not SMALLEST <= abs(part) <= LARGEST:
                raise UserError(
                    f"{option} {part}: must be a number that float32 holds, "
                    f"from {SMALLEST:.2g} to {LARGEST:.2g}"
                )


def check_text(name: str, text: str, most: int) -> None:
    """Check text that is to be stored.

    Args:
        name: of what it is, for the message.
        text: to check.
        most: characters that it may have.

    Raises:
        UserError: it is too long, has control characters or is not Unicode.
    """
    if len(text) > most:
        raise UserError(f"{name}: {len(text):,} characters; give at most {most:,}")
    strange = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs")), None)
    if strange is not None:
        raise UserError(f"{name}: holds U+{ord(strange):04X}, which is no character; remove it")


def _checkpoints(_hint: object, tokens: Sequence[Token]) -> int | tuple[int, ...]:
    """Read a number, or epochs divided by commas; a YAML list comes as one token an epoch."""
    words = [word for token in tokens for word in token.value.replace(",", " ").split()]
    try:
        epochs = tuple(int(word) for word in words)
    except ValueError:
        said = " ".join(words)
        raise UserError(f"--checkpoints {said}: give a number, or epochs as in 0,1,10") from None
    if not epochs:
        raise UserError("--checkpoints: give a number, or epochs as in 0,1,10")
    listed = len(epochs) > 1 or any("," in token.value for token in tokens)
    return epochs if listed else epochs[0]


def _names(_hint: object, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Read names divided by commas; a YAML list comes as one token a name."""
    words = (word for token in tokens for word in token.value.replace(",", " ").split())
    return tuple(dict.fromkeys(words))


@Parameter(name="*", group=DATA)
@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is learned."""

    dataset: str = "digits"
    """digits, mnist, fashion-mnist, cifar10, cifar100, svhn, or imagefolder:PATH."""

    data_dir: Path = Path("data")
    """Folder looked in first, and downloaded to."""

    train_size: int | None = None
    """Training images to use, drawn by the data seed."""

    image_size: int | None = None
    """Side in pixels to resize an image folder's images to."""

    label_noise: float | None = None
    """Share of the training labels moved to another class, symmetric, fixed by the data seed."""

    augment: Augment = "none"
    """Random change of the training images: none, horizontal flip, or padded crop and flip."""

    data_seed: int = 0
    """Fixes the subset, the label noise, the probe images and the planes."""

    def __post_init__(self) -> None:
        _check_count(self, "train_size", 2, 10**9)
        _check_count(self, "image_size", 4, 8192)
        _check(self, "label_noise", lambda s: 0 <= s < 1, "a share of at least 0 and below 1")
        _check(self, "data_seed", lambda s: 0 <= s < 2**63, "a whole number that is not negative")
        _check_plain(self)


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What learns."""

    arch: str = "resnet18"
    """Any timm model name; stem and patches are adapted to small images."""

    width: float | None = None
    """Scales the channels of a ResNet, the embedding of a ViT."""

    arch_arg: Annotated[tuple[str, ...], Parameter(negative_iterable=(), show_default=False)] = ()
    """key=value passed on to timm; may be repeated."""

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
            f"--arch-arg {text}: repdyn sets {key} itself, or never lets a run set it; remove it"
        )


@Parameter(name="*", group=OPTIMISATION)
@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """How it learns."""

    opt: str = "sgd"
    """Any timm optimizer: sgd, adam, adamw, lion, muon, and more."""

    lr: float | None = None
    """Learning rate (default: by optimizer, architecture family and data set; printed)."""

    momentum: float = 0.9
    """Momentum of the optimizers that have one."""

    weight_decay: float = 0.0
    """Weight decay; biases and norms are left out, as timm does."""

    schedule: Schedule = "constant"
    """Learning rate over the epochs."""

    batch_size: int | None = None
    """Images a step."""

    epochs: int | None = None
    """Epochs to train."""

    seed: int = 0
    """Fixes the initial weights, the order of the images and the augmentation."""

    device: Device = "auto"
    """auto takes cuda, else cpu."""

    precision: Precision = "fp32"
    """bf16 is autocast."""

    compile: bool = False
    """Compile the training step's model with torch.compile."""

    keep_checkpoints: Literal["all", "phases", "last"] | int = "all"
    """Whose weights to keep: all; in the end those at the phases' boundaries; the last; the last N."""

    on_nan: OnNan = "stop"
    """When the loss is NaN or infinite: stop the run, or continue."""

    save_every: int | None = None
    """Save the state for --resume every so many epochs (default: once a minute)."""

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
    """How many, log-spaced with the first and the last epoch in; or a list of epochs: 0,1,10,100."""

    layers: Annotated[str, Parameter(show_default=False)] = ""
    """Regular expression: the watched layers whose name it finds (default: all)."""

    bn: BatchNormStatistics = "precise"
    """precise: recompute BatchNorm's statistics over training images, on a copy, before measuring."""

    similarity: Annotated[tuple[str, ...], Parameter(converter=_names, n_tokens=1, negative=())] = (
        "cka",
        "regions",
    )
    """Similarity measures, with commas between: cka, regions, knn (overlap of nearest neighbours)."""

    cka: CkaEstimator = "unbiased"
    """unbiased: HSIC1 over minibatches (Nguyen et al. 2021); biased (Kornblith et al. 2019)."""

    probe_images: int | None = None
    """Test images on which CKA is computed and the probes are tested."""

    cka_batch: int = 250
    """Images a minibatch of CKA."""

    neighbours: int = 10
    """Nearest neighbours of each reference image that the measure knn compares."""

    probe: Probe = "logistic"
    """logistic: L2-regularised multinomial logistic regression; ridge: closed form, faster."""

    probe_features: ProbeFeatures = "pooled"
    """pooled: spatial mean, or class token and mean of the other tokens; flat: all of them."""

    probe_train: int | None = None
    """Training images on which the probes are trained."""

    probe_labels: ProbeLabels = "given"
    """Labels the probes are trained on."""

    probe_l2: float = 1e-3
    """Regularisation: l2/2 ‖W‖² beside the mean cross-entropy."""

    planes: int | None = None
    """Planes for the similarity of decision regions, through test, training and noisy images."""

    grid: int = 12
    """Points a side of a plane's grid."""

    fine_planes: int = 3
    """How many of the planes are also drawn on a finer grid."""

    fine_grid: int = 32
    """Points a side of the finer grid."""

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
        raise UserError(f"--similarity: name at least one of {', '.join(spec.MEASURES)}")
    for name in names:
        try:
            spec.spec(name)
        except UserError as error:
            raise UserError(f"--similarity {error}") from None


def _check_checkpoints(checkpoints: int | tuple[int, ...] | None) -> None:
    match checkpoints:
        case int(n) if n < 2:
            raise UserError(f"--checkpoints {n}: at least 2, the first and the last epoch")
        case int(n) if n > MOST_CHECKPOINTS:
            raise UserError(f"--checkpoints {n}: at most {MOST_CHECKPOINTS:,}")
        case tuple(epochs) if any(e < 0 for e in epochs):
            raise UserError(f"--checkpoints {min(epochs)}: epochs start at 0")
        case tuple(epochs) if len(epochs) > MOST_CHECKPOINTS:
            raise UserError(f"--checkpoints: {len(epochs):,} epochs; at most {MOST_CHECKPOINTS:,}")


@Parameter(name="*", group=TRACKING)
@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where the runs are."""

    tracking_uri: str | None = field(default=None, repr=False)  # it may hold a password
    """MLflow's store or server (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)."""

    experiment: str | None = None
    """MLflow experiment (default: MLFLOW_EXPERIMENT_NAME, else repdyn)."""

    def __post_init__(self) -> None:
        _check_plain(self)
        if self.experiment is not None:
            check_text("--experiment", self.experiment, MOST_EXPERIMENT_CHARACTERS)


def known(value: T | None) -> T:
    """Return a setting that defaults have filled in by now."""
    if value is None:
        raise AssertionError("a resolved configuration leaves no such setting open")
    return value


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of a run but where it is stored."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)

    def settings(self) -> Iterator[tuple[str, Any]]:
        """Yield each setting's name and value, in the order in which they are written down."""
        for group in dataclasses.fields(self):
            part = getattr(self, group.name)
            for setting in dataclasses.fields(part):
                yield setting.name, getattr(part, setting.name)

    def params(self) -> dict[str, str]:
        """Return MLflow's params: each setting as text, lists as a shell would quote them."""
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
    except ValueError as error:  # a quotation mark that nothing closes
        raise UserError(f"--{name.replace('_', '-')} {text[:100]}: {error}") from None


def from_params(params: Mapping[str, str]) -> TrainConfig:
    """Return the configuration that `TrainConfig.params` wrote.

    Raises:
        UserError: a value is not what its setting takes. Params of other names are passed over.
    """
    given: dict[str, str | list[str]] = {}
    for part in (DataConfig, ModelConfig, OptimConfig, MeasureConfig):
        given |= given_settings(params, part)
    return from_settings(given)


def from_settings(settings: Mapping[str, str | list[str]]) -> TrainConfig:
    """Return the configuration with these settings, as a YAML file would give them.

    Raises:
        UserError: a value is not what its setting takes.
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
        # it repeats the value, which a stranger's run may have made as long as it likes
        raise UserError(said if len(said) < 600 else f"{said[:300]} … {said[-150:]}") from None
    return config


def _identity(config: TrainConfig | None = None) -> TrainConfig:
    return config or TrainConfig()


def _text(value: object) -> str:
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)
