"""Estimates the disk space and memory of a training before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from repdyn.display.wording import size
from repdyn.errors import UserError
from repdyn.measures.cka import minibatches
from repdyn.measures.engine import engines
from repdyn.measures.features import CHUNK, flat, layer_features
from repdyn.measures.shelf import KEPT_IN_MEMORY
from repdyn.memory import available_memory
from repdyn.records import class_dtype
from repdyn.runs.experiment import Experiment
from repdyn.runs.retention import most_kept
from repdyn.settings.schema import known
from repdyn.storage import schema
from repdyn.training.loop import EVALUATION_CHUNK

FLOAT = 4
"""Bytes of a number in float32."""

LAYERS_AT_WORK = 3
"""Layers whose activations or gradients a pass holds in addition to those kept: a layer's input,
its output, and one in between."""

HELD_OF_MATRICES = 3
"""How often the matrices are in memory: half of each while they grow, all of them while they are stored,
what waits to be stored, and, at the end, float64 copies of a measure's in which changes are found."""

AT_A_CHECKPOINT = 6
"""How often a checkpoint's summaries are in memory: in float64 as they are formed, as kept, stacked, and
as the file that waits to be stored."""

OVERHEAD = 250_000_000
"""Bytes of memory for MLflow, figures and torch's own workspace, whatever is trained."""


@dataclass(frozen=True)
class Footprint:
    """Maximum bytes that a training uses, besides the data and what is already loaded.

    Attributes:
        weights: of the checkpoints that are kept, on disk.
        state: saved for resuming, on disk, twice while it is replaced.
        rows: packed Grams of all checkpoints, on disk and in memory.
        maps: label maps of all checkpoints before they are packed, and the area of each class, on
            disk and in memory.
        matrices: E×E matrices and their standard errors, as stored.
        areas: the area of each class, which is in `maps` too, in memory.
        numbers: weights, gradients and optimizer state, on the device.
        passing: activations of a training step, an evaluation or a CKA minibatch, whichever is
            largest, and a checkpoint's Grams, on the device.
    """

    weights: int
    state: int
    summaries: int
    maps: int
    numbers: int
    passing: int
    matrices: int = 0
    areas: int = 0

    @property
    def disk(self) -> int:
        """On disk."""
        return self.weights + self.state + self.summaries + self.maps + self.matrices

    @property
    def kept(self) -> int:
        """In memory, on any device; further rows and label maps are memory-mapped."""
        earlier = min(self.summaries + self.maps, KEPT_IN_MEMORY)
        return earlier + self.areas + HELD_OF_MATRICES * self.matrices + OVERHEAD

    @property
    def device(self) -> int:
        """On the device, in addition to what is kept."""
        return self.numbers + self.passing


def footprint(experiment: Experiment) -> Footprint:
    """Estimate what a training needs, from its settings and one pass of two empty images.

    Everything is on the meta device: nothing is allocated that may turn out to be too large.
    """
    config, layers = experiment.config, experiment.layers
    measure, checkpoints = config.measure, len(experiment.checkpoints)
    model = experiment.sketch()
    images = torch.empty((2, *experiment.data.images.shape[1:]), device="meta")
    images = images.contiguous(memory_format=torch.channels_last)
    parameters = sum(p.numel() * p.element_size() for p in model.parameters())
    tensors = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    moments = parameters * (1 if config.optim.opt == "sgd" else 2)
    (features, _) = next(layer_features(model, layers, images, reduce=flat))
    probe_images = min(known(measure.probe_images), len(experiment.data.test_images))
    batches = minibatches(probe_images, measure.cka, measure.cka_batch)
    widths = [x.shape[1] * FLOAT for x in features]
    passing = (
        experiment.batch_size * (activations(model, images) + LAYERS_AT_WORK * max(widths)),
        EVALUATION_CHUNK * LAYERS_AT_WORK * max(widths),
        _held_for_grams(max(batches), widths),
    )
    by_measure = engines(measure, len(layers))
    kept = sum(one.stored_bytes(batches) for one in by_measure.values())
    classes = len(experiment.images.classes)
    label = class_dtype(classes).itemsize
    planes = known(measure.planes)
    coarse = planes * measure.grid**2
    fine = min(measure.fine_planes, planes) * measure.fine_grid**2
    return Footprint(
        weights=most_kept(checkpoints, config.optim.keep_checkpoints) * tensors,
        state=2 * (tensors + moments),
        summaries=checkpoints * kept,
        maps=checkpoints * (len(layers) + 1) * ((coarse + fine) * label + FLOAT * classes),
        numbers=2 * parameters + moments,
        passing=max(passing) + AT_A_CHECKPOINT * kept,
        matrices=schema.matrices_bytes(len(layers), checkpoints, by_measure),
        areas=checkpoints * (len(layers) + 1) * FLOAT * classes,
    )


def room(taken: Footprint) -> str:
    """Return, on one line, what a training will need."""
    return (
        f"needs at most {size(taken.disk)} of disk space (checkpoints {size(taken.weights)}, state "
        f"{size(taken.state)}, Gram matrices {size(taken.summaries)}, label maps {size(taken.maps)}) and about "
        f"{size(taken.device + taken.kept)} of memory"
    )


def check_room(experiment: Experiment, taken: Footprint, folder: Path | None) -> None:
    """Reject a training that needs more space than is available.

    Args:
        experiment: to be trained.
        taken: what it needs.
        folder: on whose disk its artifacts will be; None if a server keeps them.

    Raises:
        UserError: the disk or the memory is too small.
    """
    if folder is not None:
        there = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
        free = shutil.disk_usage(there).free
        if taken.disk > free:
            raise UserError(
                f"{there}: has {size(free)} free, but the run may need {size(taken.disk)}; free "
                f"some space, or use {_smaller(taken)}"
            )
    on_gpu = experiment.device.type == "cuda"
    needed, free = taken.kept + (0 if on_gpu else taken.device), available_memory()
    if needed > free:
        raise UserError(_too_much("memory", needed, free))
    if on_gpu:
        free = torch.cuda.mem_get_info(experiment.device)[0]
        if taken.device > free:
            raise UserError(_too_much(f"memory of {experiment.device}", taken.device, free))


def _held_for_grams(batch: int, widths: Sequence[int]) -> int:
    """Return the bytes of the largest CKA minibatch, given the bytes per image of each layer."""
    if batch <= CHUNK:
        return batch * LAYERS_AT_WORK * max(widths)
    return 2 * batch * sum(widths)  # held once in parts and once whole


def _smaller(taken: Footprint) -> str:
    """Return the setting that reduces the largest part on disk."""
    parts = {
        "`keep_checkpoints last`": taken.weights,
        "a smaller `width`": taken.state,
        "fewer `probe_images` or `checkpoints`": taken.summaries,
        "fewer `planes` or a smaller `grid`": taken.maps,
    }
    return max(parts, key=parts.__getitem__)


def _too_much(what: str, needed: int, free: int) -> str:
    return (
        f"{what}: {size(free)} available, but training needs about {size(needed)}; "
        "use a smaller `batch_size`, `width`, `probe_images`, `planes` or `cka_batch`"
    )


def activations(model: nn.Module, images: Tensor) -> int:
    """Return the bytes per image that a training step keeps for its gradients."""
    weights = {_storage(p) for p in model.parameters()}
    seen: dict[StorageWeakRef, int] = {}

    def note(kept: Tensor) -> Tensor:
        if _storage(kept) not in weights:
            seen[_storage(kept)] = kept.numel() * kept.element_size()
        return kept

    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(note, _same):
        loss = model.train()(images).sum()
    del loss  # with it the graph, which held what was seen
    return sum(seen.values()) // len(images)


def _storage(tensor: Tensor) -> StorageWeakRef:
    """Return what identifies a tensor's memory; on the meta device it has no address."""
    return StorageWeakRef(tensor.untyped_storage())


def _same(kept: Tensor) -> Tensor:
    return kept
