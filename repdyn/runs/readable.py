"""Refuses a run whose files would be larger than what a reader takes for whole."""

from __future__ import annotations

from repdyn.display.wording import size
from repdyn.errors import UserError
from repdyn.runs.experiment import Experiment
from repdyn.runs.footprint import Footprint
from repdyn.settings.schema import known
from repdyn.storage import schema


def check_readable(experiment: Experiment, taken: Footprint, checkpoints: int) -> None:
    """Check the sizes of a run's files against the bounds within which they are read.

    Args:
        experiment: to be run.
        taken: what it takes.
        checkpoints: that are measured.

    Raises:
        UserError: a file would be too large, or there are too many layers.
    """
    layers, classes = len(experiment.layers), len(experiment.images.classes)
    if layers > schema.MOST_LAYERS:
        raise UserError(f"--layers: selects {layers:,}; a run has at most {schema.MOST_LAYERS:,}")
    planned = len(experiment.checkpoints)
    planes = known(experiment.config.measure.planes)
    files = (
        (
            f"the matrices of {layers:,} layers, {checkpoints:,} checkpoints and {classes:,} classes",
            schema.dynamics_bytes(layers, checkpoints, classes),
            schema.DYNAMICS_BYTES,
            "--checkpoints or --layers",
        ),
        (
            f"the anchors of {planes:,} planes",
            3 * planes * experiment.data.images[0].numel(),
            schema.ARRAY_BYTES,
            "--planes",
        ),
        (
            "the label maps of a checkpoint",
            taken.maps // planned,
            schema.ARRAY_BYTES,
            "--planes or --layers, or a smaller --grid",
        ),
        (
            "the packed Grams of a checkpoint",
            taken.summaries // planned,
            schema.SUMMARIES_BYTES,
            "--probe-images or --layers",
        ),
    )
    for what, needed, most, fewer in files:
        if needed > most - _HEADERS:
            raise UserError(
                f"{what} take {size(needed)}, and at most {size(most)} of a run are read; "
                f"take fewer {fewer}"
            )


_HEADERS = 2**20
"""Left for the headers of arrays, and for what else lies in the same file."""
