"""What a measured checkpoint stores in a run."""

from __future__ import annotations

import numpy as np
from safetensors.torch import save as save_tensors
from torch import nn

from repdyn.display.similarity import similarity
from repdyn.measures.recorder import Measurement
from repdyn.measures.spec import spec
from repdyn.records import Dynamics
from repdyn.report.mosaic import encoded, mosaic
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


FIRST_DRAWN = 4
"""Checkpoints at which matrices are drawn for the first time after the first."""


def is_drawn(checkpoints: int) -> bool:
    """Return whether the matrices are drawn at so many checkpoints.

    At each power of two; and at the first one, as MLflow's slider starts at step 0 whether or not there
    is a picture.
    """
    return checkpoints == 1 or (checkpoints >= FIRST_DRAWN and checkpoints.bit_count() == 1)


OFTEN = 2**25
"""Bytes of matrices up to which all of them are stored anew at each checkpoint."""

BEHIND = 16
"""Of larger ones, those that are stored are at most a checkpoint in so many behind."""


def are_due(checkpoints: int, stored: int, size: int) -> bool:
    """Return whether the matrices are stored anew at a checkpoint.

    Stored at each, E checkpoints would write E³; so written a sixteenth later each time, they are written
    nine times in all.

    Args:
        checkpoints: measured so far.
        stored: how many the stored ones have.
        size: bytes of all matrices.
    """
    return size <= OFTEN or BEHIND * (checkpoints - stored) >= checkpoints


def log_matrices(writer: RunWriter, dynamics: Dynamics, *, last: bool = False) -> None:
    """Log a picture of all layers' matrices up to the last checkpoint, for each measure.

    Args:
        writer: of the run.
        dynamics: up to the checkpoint.
        last: whether no more follow: the picture is then logged by itself too, which MLflow shows
            without the slider being moved.
    """
    for measure in dynamics.similarity:
        picture = encoded(mosaic(similarity(dynamics, measure)))
        for key in (f"similarity/{measure}_by_step", *([f"similarity/{measure}"] if last else [])):
            writer.log_image(key, int(dynamics.steps[-1]), *picture)


def store_measurement(writer: RunWriter, measurement: Measurement) -> None:
    """Store a checkpoint's label maps and summaries; the growing matrices are the caller's task."""
    if measurement.label_maps is not None:
        writer.log_label_maps(measurement.label_maps)
    for name, summaries in measurement.summaries.items():
        if spec(name).folder:
            writer.log_summaries(name, measurement.step, np.stack(summaries))
