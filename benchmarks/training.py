"""Training: repdyn's Trainer compared with a DataLoader loop; accuracy; overhead of tracking."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain_loop import PlainLoop
from benchmarks.result import Figure, Result, main
from benchmarks.timing import Way, medians
from repdyn import models
from repdyn.data import ImageData, place, placed
from repdyn.runs import session, train
from repdyn.runs.experiment import prepare
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import (
    Augment,
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    StoreConfig,
    TrainConfig,
    known,
)
from repdyn.storage import schema
from repdyn.storage.delivery.executor import StoreExecutor
from repdyn.storage.store import connect
from repdyn.storage.writer import RunWriter
from repdyn.training.loop import (
    EVALUATION_CHUNK,
    Epoch,
    Trainer,
    TrainingData,
    make_optimizer,
)

ARCHS = ("resnet18", "vit_tiny_patch16_224")

FASHION_IMAGES = 2000

NO_LIMIT = 1_000_000
"""Epochs of a trainer that is asked for as many as are timed."""

CPU_AIM, GPU_AIM = 1.3, 3.0
TRACKING_AIM = 3.0


@dataclass(frozen=True)
class Task:
    """What both loops train.

    Attributes:
        images: as the plain loop takes them.
        data: the same on the device, as repdyn's Trainer takes them.
        new_model: returns the model with the initial weights of a seed.
    """

    name: str
    images: ImageData
    data: TrainingData
    optim: OptimConfig
    batch_size: int
    augment: Augment
    new_model: Callable[[int], nn.Module]

    def trainer(self, epochs: int = NO_LIMIT, **optim: Any) -> Iterator[Epoch]:
        """Return repdyn's training, initial evaluation done, optionally with changed settings."""
        model = self.new_model(self.optim.seed).to(memory_format=torch.channels_last)
        config = dataclasses.replace(self.optim, **optim)
        epochs_done = iter(
            Trainer(
                model,
                self.data,
                config,
                epochs=epochs,
                batch_size=self.batch_size,
                augment=self.augment,
            )
        )
        next(epochs_done)
        return epochs_done

    def bare(self) -> Way:
        """Return an epoch's passes and steps with nothing around them, repeated on one batch.

        No loop that trains this model in its own arithmetic takes less.
        """
        data, size, config = self.data, self.batch_size, self.optim
        model = self.new_model(config.seed).to(memory_format=torch.channels_last)
        optimizer = make_optimizer(model, config)
        inputs, labels = data.inputs(data.images[:size]), data.labels[:size]
        tests = data.inputs(data.test_images[:]).split(EVALUATION_CHUNK)
        steps = -(-len(data.images) // size)

        def epoch() -> None:
            model.train()
            for _ in range(steps):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                for part in tests:
                    model(part)

        return epoch

    def plain(self, workers: int) -> PlainLoop:
        """Return the plain training of a separate model."""
        return PlainLoop(
            self.new_model(self.optim.seed).to(memory_format=torch.contiguous_format),
            self.images,
            self.optim,
            batch_size=self.batch_size,
            augment=self.augment,
            workers=workers,
        )


def run(quick: bool) -> Result:
    """Time epochs of both loops, compare accuracies, and measure the overhead of tracking."""
    how = [
        "An epoch is the training steps and the test; the plain loop (PIL images, torchvision's "
        "transforms, loss.item() each step) gets the better of its numbers of workers, which stay "
        "alive between epochs. The upper bound for any loop: relative to the passes and steps "
        "alone, on a batch that is already loaded.",
    ]
    figures = []
    if torch.cuda.is_available():
        tasks = [cifar_shaped(torch.device("cuda"), *((1000, 200) if quick else (50_000, 10_000)))]
        how.append("CIFAR-10-shaped random images, padded crops and flips.")
        least = GPU_AIM
    else:
        tasks = list(_cpu_tasks(quick, how))
        least = CPU_AIM
    for task in tasks:
        figures += _throughput(task, least, repeat=1 if quick else 5)
    seeds, epochs = (2, 1) if quick else (5, 10)
    figures += _accuracy(_digits(ARCHS[0], quick), range(seeds), epochs)
    how.append(
        f"Accuracy: digits by {ARCHS[0]}, {epochs} epochs, {seeds} seeds, in percentage points; "
        "the difference of the means is to be within two standard errors."
    )
    with tempfile.TemporaryDirectory() as folder:
        figures += _tracking(Path(folder), 4 if quick else 50, 3 if quick else 10)
    how.append(
        "Tracking: the default digits run, scaled to a quarter (50 epochs, 10 of its 40 "
        "checkpoints, the state saved twice) with its measuring; the seconds in which training "
        "waits for the writer, plus the processor time of the writer's own thread, over the "
        "seconds of training; measuring counts as neither."
    )
    return Result("Training", figures, " ".join(how))


def cifar_shaped(device: torch.device, count: int, tests: int, width: float | None = None) -> Task:
    """Return a ResNet-18 on random images of CIFAR-10's shape, by that data set's defaults.

    Args:
        device: where it is trained.
        count, tests: training and test images.
        width: of the network (default: the data set's).
    """
    asked = TrainConfig(
        data=DataConfig(dataset="cifar10"), model=ModelConfig(arch=ARCHS[0], width=width)
    )
    config, _ = resolved(asked, models.family(ARCHS[0]))
    generator = torch.Generator().manual_seed(0)
    shape, classes = (3, 32, 32), 10

    def drawn(n: int) -> tuple[Tensor, Tensor]:
        images = torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)
        return images, torch.randint(0, classes, (n,), generator=generator)

    train_images, labels = drawn(count)
    test_images, test_labels = drawn(tests)
    images = ImageData(
        name="cifar10-shaped",
        source="random",
        train_images=train_images,
        given_labels=labels,
        true_labels=labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=tuple(str(k) for k in range(classes)),
        mean=torch.full((3,), 0.5),
        std=torch.full((3,), 0.29),
    )

    def new_model(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        built = models.build(config.model, image_size=32, channels=3, classes=classes)
        return built.to(device)

    return Task(
        f"{ARCHS[0]} on {images.name} images",
        images,
        on_device(images, device),
        config.optim,
        known(config.optim.batch_size),
        "crop-flip",
        new_model,
    )


def on_device(images: ImageData, device: torch.device) -> TrainingData:
    """Return a data set as repdyn trains on it."""
    return TrainingData(
        images=placed(images.train_images, device),
        labels=images.given_labels.to(device),
        noisy=images.noisy.to(device),
        test_images=placed(images.test_images, device),
        test_labels=images.test_labels.to(device),
        mean=images.mean.to(device),
        std=images.std.to(device),
    )


def worker_counts(device: torch.device) -> tuple[int, ...]:
    """Return the numbers of workers of which the plain loop's best counts."""
    if device.type != "cuda":
        return 0, 2
    # with a GPU, loading is the bottleneck: without workers it is never the better one
    return 2, min(8, os.cpu_count() or 2)


def _cpu_tasks(quick: bool, how: list[str]) -> Iterator[Task]:
    """Yield the tasks of a machine without a GPU; `how` states what is left out."""
    for arch in ARCHS:
        yield _digits(arch, quick)
    if place("fashion-mnist", Path("data")) is None:
        how.append("Fashion-MNIST is left out: its files are not on this machine.")
        return
    count = 200 if quick else FASHION_IMAGES
    how.append(f"Of Fashion-MNIST {count:,} training images, and a sixth as many for the test.")
    for arch in ARCHS:
        yield _of_data_set("fashion-mnist", arch, count, count // 6)


def _digits(arch: str, quick: bool) -> Task:
    return _of_data_set("digits", arch, *((200, 100) if quick else (None, None)))


def _of_data_set(dataset: str, arch: str, count: int | None, tests: int | None) -> Task:
    """Return the training of `repdyn train` with a part of the images."""
    asked = TrainConfig(
        data=DataConfig(dataset=dataset, train_size=count),
        model=ModelConfig(arch=arch),
        optim=OptimConfig(device="cpu"),
    )
    experiment = prepare(asked)
    config = experiment.config
    images = dataclasses.replace(
        experiment.images,
        test_images=experiment.images.test_images[:tests],
        test_labels=experiment.images.test_labels[:tests],
    )

    def new_model(seed: int) -> nn.Module:
        seeded = dataclasses.replace(config, optim=dataclasses.replace(config.optim, seed=seed))
        return dataclasses.replace(experiment, config=seeded).new_model()

    return Task(
        f"{arch.partition('_patch')[0]} on {dataset}",
        images,
        on_device(images, experiment.device),
        config.optim,
        experiment.batch_size,
        config.data.augment,
        new_model,
    )


def _throughput(task: Task, least: float, repeat: int) -> list[Figure]:
    """Time epochs of both loops in turn."""
    mine = task.trainer()
    counts = worker_counts(task.data.device)
    plain: dict[str, Way] = {f"{n} workers": task.plain(n).epoch for n in counts}
    taken = medians({"repdyn": partial(next, mine), "bare": task.bare(), **plain}, repeat)
    better = min(plain, key=lambda name: taken[name])
    count = len(task.images.train_images)
    return [
        Figure(f"{task.name}: an epoch by repdyn", taken["repdyn"], "s", note=f"{count:,} images"),
        Figure(f"{task.name}: an epoch by the plain loop", taken[better], "s", note=better),
        Figure(f"{task.name}: plain / repdyn", taken[better] / taken["repdyn"], least=least),
        Figure(f"{task.name}: upper bound for any loop", taken[better] / taken["bare"]),
    ]


def _accuracy(task: Task, seeds: range, epochs: int) -> list[Figure]:
    """Compare the test accuracies that both loops reach, from the same initial weights."""
    mine, plain = [], []
    for seed in seeds:
        of_seed = dataclasses.replace(task, optim=dataclasses.replace(task.optim, seed=seed))
        *_, last = of_seed.trainer(epochs)
        mine.append(100 * last.test_acc)
        loop = of_seed.plain(0)
        *_, accuracy = [loop.epoch()[-1] for _ in range(epochs)]
        plain.append(100 * accuracy)
    error = ((statistics.variance(mine) + statistics.variance(plain)) / len(seeds)) ** 0.5
    return [
        *(
            Figure(
                f"{task.name}: test accuracy by {name}",
                statistics.mean(each),
                "%",
                note=f"± {statistics.stdev(each):.2g} between seeds",
            )
            for name, each in (("repdyn", mine), ("the plain loop", plain))
        ),
        Figure(
            f"{task.name}: difference of test accuracies",
            abs(statistics.mean(mine) - statistics.mean(plain)),
            "points",
            most=2 * error,
        ),
    ]


class _Spent:
    """Adds up the seconds of wrapped functions, by name.

    The training thread's are counted from call to return, of the outermost only; other threads' as
    processor time, since they run in parallel with training.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = False

    def wrapped(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return the function, counted."""

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            training = threading.current_thread() is threading.main_thread()
            if training and self._inside:
                return function(*args, **kwargs)
            clock = time.perf_counter if training else time.thread_time
            start = clock()
            self._inside = self._inside or training
            try:
                return function(*args, **kwargs)
            finally:
                if training:
                    self._inside = False
                self.seconds[name] += clock() - start

        return counted


@contextlib.contextmanager
def _counting(spent: _Spent, owners: Mapping[str, tuple[Any, str]]) -> Iterator[None]:
    """Count the calls of attributes while the context lasts.

    Args:
        spent: where they are added up.
        owners: the object and the attribute, by the name under which it is counted.
    """
    before = {name: getattr(owner, attribute) for name, (owner, attribute) in owners.items()}
    for name, (owner, attribute) in owners.items():
        setattr(owner, attribute, spent.wrapped(before[name], name))
    try:
        yield
    finally:
        for name, (owner, attribute) in owners.items():
            setattr(owner, attribute, before[name])


def _tracking(folder: Path, epochs: int, checkpoints: int) -> list[Figure]:
    """Run `repdyn train` into a new SQLite store and measure the cost of writing.

    The store is created beforehand: MLflow creates its tables once, for all runs.
    """
    config = TrainConfig(
        data=DataConfig(dataset="digits"),
        optim=OptimConfig(device="cpu", epochs=epochs, save_every=max(1, epochs // 2)),
        measure=MeasureConfig(checkpoints=checkpoints),
    )
    store = StoreConfig(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    spent = _Spent()
    counted = {
        "metrics": (RunWriter, "log_metrics"),
        "weights": (session, "store_weights"),
        "state": (train, "encode_state"),
        "state sent": (RunWriter, "log_state"),
        "measurements": (session, "store_measurement"),
        "matrices": (RunWriter, "log_dynamics"),
        "planes": (RunWriter, "log_planes"),
        "inputs": (RunWriter, "log_input"),
        "other": (RunWriter, "put"),
        "end": (RunWriter, "__exit__"),
        "writer's thread": (StoreExecutor, "__call__"),
    }
    experiment = prepare(config)
    # MLflow puts the artifacts of a store without a server below the present folder
    with contextlib.chdir(folder):
        connect(store)
        with _counting(spent, counted):
            train.train_run(experiment, store)
    timings = next(folder.rglob(Path(schema.TIMINGS).name))
    training = json.loads(timings.read_text())["training"]
    parts = sorted(spent.seconds.items(), key=lambda part: -part[1])
    named = ", ".join(f"{name} {100 * s / training:.2g}" for name, s in parts[:6])
    return [
        Figure("training that was tracked", training, "s", note=f"{epochs} epochs"),
        Figure(
            "tracking",
            100 * sum(spent.seconds.values()) / training,
            "%",
            most=TRACKING_AIM,
            note=named,
        ),
    ]


if __name__ == "__main__":
    main(["training"], __doc__.splitlines()[0])
