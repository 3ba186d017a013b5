"""From a configuration to its data, model and recorder: what training and re-analysis share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn

from repdyn import models
from repdyn.data import Anchors, ImageData, anchors, load_data, placed, probe_images, probe_train
from repdyn.errors import SettingError
from repdyn.layer import Layer
from repdyn.layers import choose_layers
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Recorder
from repdyn.memory import check_memory
from repdyn.memory_format import memory_format
from repdyn.runs.observer import Observer
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import Family, TrainConfig, known
from repdyn.training.checkpoint_epochs import checkpoint_epochs
from repdyn.training.loop import TrainingData, check_optimizer, pick_device

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Experiment:
    """A run's ingredients, everything checked.

    Attributes:
        config: fully resolved.
        family: of the architecture.
        brought: the settings filled in from defaults, by name.
        epochs, batch_size: of the training.
        checkpoints: epochs to measure and save, increasing.
        images: the data set; `data` is the part of it on the device.
        layers: the watched layers.
        notice: one line about layers that cannot be watched; empty if all can.
    """

    config: TrainConfig
    family: Family
    brought: dict[str, Any]
    epochs: int
    batch_size: int
    checkpoints: tuple[int, ...]
    device: torch.device
    images: ImageData
    data: TrainingData
    layers: tuple[Layer, ...]
    anchors: Anchors
    notice: str

    def new_model(self) -> nn.Module:
        """Return the model with its initial weights, which the seed determines."""
        model = _build(self.config, self.images).to(self.device)
        return model.to(memory_format=self.data.memory_format)

    def sketch(self) -> nn.Module:
        """Return the model on the meta device, where it takes no memory."""
        return _sketch(self.config, self.images).to(memory_format=self.data.memory_format)

    def new_recorder(self) -> Recorder:
        """Return a recorder of the run's reference images, probe training set and planes."""
        return Recorder(self.layers, self._inputs(), self.config.measure)

    def _inputs(self) -> Inputs:
        measure, images, seed = self.config.measure, self.images, self.config.data.data_seed
        test = probe_images(images, known(measure.probe_images), seed)
        train = probe_train(images, known(measure.probe_train), seed)
        given, true = images.given_labels[train].numpy(), images.true_labels[train].numpy()
        triplets = self.anchors.images
        anchors = self.data.inputs(triplets.flatten(0, 1).to(self.device))
        return Inputs(
            self.data.inputs(images.test_images[test].to(self.device)),
            images.test_labels[test],
            train=self.data.inputs(images.train_images[train].to(self.device)),
            train_labels=given if measure.probe_labels == "given" else true,
            given_labels=given,
            noisy=given != true,
            anchors=anchors.reshape(triplets.shape),
            shown=self.anchors,
            fine=range(min(measure.fine_planes, len(triplets))),
            class_names=images.classes,
        )


def prepare(config: TrainConfig, observer: Observer | None = None) -> Experiment:
    """Check a configuration against its data and its model, and fill in its defaults.

    Args:
        config: of the run.
        observer: receives progress.

    Raises:
        UserError: a setting is invalid; names it.
    """
    family = models.family(config.model.arch)
    check_optimizer(config.optim)
    config, brought = resolved(config, family)
    optim, measure = config.optim, config.measure
    if optim.lr is None:
        raise SettingError(
            "opt", optim.opt, "repdyn has no default learning rate for it; give `lr`"
        )
    epochs, batch_size = known(optim.epochs), known(optim.batch_size)
    wanted = cast("int | tuple[int, ...]", known(measure.checkpoints))
    checkpoints = checkpoint_epochs(epochs, wanted)
    if isinstance(measure.checkpoints, tuple):
        config = replace(config, measure=replace(measure, checkpoints=checkpoints))
    device = pick_device(optim.device)
    images = load_data(config.data, observer)
    n = len(images.train_images)
    if batch_size > n:
        raise SettingError(
            "batch_size", batch_size, f"there are only {n} training images; use at most {n}"
        )
    config = replace(config, data=replace(config.data, train_size=n))
    _sketch(config, images)  # rejects what is too large before memory is allocated for it
    model = _build(config, images)
    blank = torch.zeros(2, *images.train_images.shape[1:])
    choice = choose_layers(model, measure.layers, blank)
    data = TrainingData(
        images=placed(images.train_images, device),
        labels=images.given_labels.to(device),
        noisy=images.noisy.to(device),
        test_images=placed(images.test_images, device),
        test_labels=images.test_labels.to(device),
        mean=images.mean.to(device),
        std=images.std.to(device),
        memory_format=memory_format(model, device),
    )
    planes = known(measure.planes)
    # as they are drawn, together, and as the model takes them
    pixels = 3 * planes * images.train_images[0].numel()
    check_memory(2 * pixels + 2 * pixels * FLOAT_BYTES, f"`planes {planes}`:")
    triplets = anchors(images, planes, config.data.data_seed, measure.plane_kinds)
    return Experiment(
        config,
        family,
        brought,
        epochs,
        batch_size,
        checkpoints,
        device,
        images,
        data,
        choice.layers,
        triplets,
        choice.notice,
    )


def _build(config: TrainConfig, images: ImageData) -> nn.Module:
    """Build the model; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.optim.seed)
        return models.build(config.model, **_shape(images))


def _sketch(config: TrainConfig, images: ImageData) -> nn.Module:
    return models.sketch(config.model, **_shape(images))


def _shape(images: ImageData) -> dict[str, int]:
    """Return what a model needs to know about its images."""
    _, channels, _, side = images.train_images.shape
    return {"image_size": side, "channels": channels, "classes": len(images.classes)}
