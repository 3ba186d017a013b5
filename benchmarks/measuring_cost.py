"""What measuring costs beside training: seconds a checkpoint and seconds an epoch.

    python -m benchmarks.measuring_cost [--arch resnet18] [--images 1000] [--repeat 3]

On CIFAR-10-shaped images (32×32×3, random: the time does not depend on what they show) with the
defaults of `--dataset cifar10`: an epoch is timed on part of the 50,000 images and scaled, a
checkpoint is timed whole, in turn with the epochs; then the share of measuring in a run of 200
epochs with 60 checkpoints. The median of the repetitions is printed.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from repdyn import models
from repdyn.config import DataConfig, MeasureConfig, ModelConfig, OptimConfig, TrainConfig, known
from repdyn.defaults import resolved
from repdyn.measure.recorder import ProbeData, Recorder
from repdyn.training import Trainer, TrainingData, pick_device

TRAINING_IMAGES, EPOCHS, CHECKPOINTS = 50_000, 200, 60
TEST_IMAGES = 10_000


def main() -> None:
    """Time epochs and checkpoints in turn and print the share of measuring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--images", type=int, default=1000, help="images of the timed epoch")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()

    asked = TrainConfig(data=DataConfig(dataset="cifar10"), model=ModelConfig(arch=arguments.arch))
    config, _ = resolved(asked, models.family(arguments.arch))
    device = pick_device("auto")
    model = models.build(config.model, image_size=32, channels=3, classes=10).to(device)
    model = model.to(memory_format=torch.channels_last)
    data = _random_images(arguments.images, device)
    recorder = Recorder(
        models.watched_layers(model), _probe_data(data, config.measure), config.measure
    )
    epoch_s, checkpoint_s, parts = [], [], []
    optim = OptimConfig(lr=known(config.optim.lr))
    batch = known(config.optim.batch_size)
    for step in Trainer(model, data, optim, epochs=arguments.repeat, batch_size=batch):
        if step.epoch:
            epoch_s.append(step.seconds)
        start = time.perf_counter()
        parts.append(recorder.measure(model, step.epoch).seconds)
        checkpoint_s.append(time.perf_counter() - start)
    forwards = 3 * TRAINING_IMAGES + TEST_IMAGES
    epoch = statistics.median(epoch_s) * forwards / (3 * arguments.images + len(data.test_images))
    checkpoint = statistics.median(checkpoint_s[1:])
    share = CHECKPOINTS * checkpoint / (CHECKPOINTS * checkpoint + EPOCHS * epoch)
    print(f"{arguments.arch} on {device}, {torch.get_num_threads()} threads, 32×32×3 images")
    print(f"epoch of {TRAINING_IMAGES} images (scaled from {arguments.images}): {epoch:.1f} s")
    print(f"checkpoint: {checkpoint:.1f} s")
    for part in parts[-1]:
        print(f"  {part}: {statistics.median(p[part] for p in parts[1:]):.2f} s")
    print(f"measuring in {EPOCHS} epochs with {CHECKPOINTS} checkpoints: {share:.1%}")


def _random_images(n: int, device: torch.device) -> TrainingData:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 10, (n,), generator=generator)
    few = n // 5
    return TrainingData(
        images=images.to(device),
        labels=labels.to(device),
        noisy=torch.zeros(n, dtype=torch.bool, device=device),
        test_images=images[:few].to(device),
        test_labels=labels[:few].to(device),
        mean=torch.full((3,), 0.5, device=device),
        std=torch.full((3,), 0.3, device=device),
    )


def _probe_data(data: TrainingData, measure: MeasureConfig) -> ProbeData:
    rng = np.random.default_rng(0)

    def drawn(n: int) -> torch.Tensor:
        return data.inputs(data.images[rng.integers(0, len(data.images), n)])

    n, m, planes = known(measure.probe_images), known(measure.probe_train), known(measure.planes)
    given = rng.integers(0, 10, m)
    return ProbeData(
        images=drawn(n),
        labels=rng.integers(0, 10, n),
        train_images=drawn(m),
        train_labels=given,
        given_labels=given,
        noisy=np.zeros(m, dtype=bool),
        anchors=drawn(3 * planes).reshape(planes, 3, 3, 32, 32),
        fine=tuple(range(measure.fine_planes)),
        classes=10,
    )


if __name__ == "__main__":
    main()
