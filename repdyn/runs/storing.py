"""What a measured checkpoint stores in a run."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from safetensors.torch import save as save_tensors
from torch import nn

from repdyn.measures.recorder import Measurement
from repdyn.measures.spec import spec
from repdyn.storage import schema
from repdyn.storage.writer import RunWriter


def store_weights(writer: RunWriter, model: nn.Module, step: int) -> tuple[str, ...]:
    """Store the model's weights; return the names of the tensors that are not finite."""
    weights = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
    }
    writer.put(schema.checkpoint_path(step), save_tensors(weights))
    return tuple(name for name, tensor in weights.items() if not tensor.isfinite().all())


def drop_weights(writer: RunWriter, steps: Iterable[int]) -> None:
    """Remove the weights of these steps."""
    for step in steps:
        writer.remove(schema.checkpoint_path(step))


def store_measurement(writer: RunWriter, measurement: Measurement) -> None:
    """Store a checkpoint's label maps and summaries; the growing matrices are the caller's task."""
    if measurement.label_maps is not None:
        writer.log_label_maps(measurement.label_maps)
    for name, summaries in measurement.summaries.items():
        if spec(name).folder:
            writer.log_summaries(name, measurement.step, np.stack(summaries))
