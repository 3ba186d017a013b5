"""Rejects a run whose files would be too large to be read."""

from __future__ import annotations

from repdyn.display.wording import size
from repdyn.errors import SettingError, UserError
from repdyn.runs.experiment import Experiment
from repdyn.runs.footprint import Footprint
from repdyn.settings.schema import known
from repdyn.storage import schema


def check_readable(experiment: Experiment, taken: Footprint, checkpoints: int) -> None:
    """Check the sizes of a run's files against the limits of what can be read.

    Args:
        experiment: to be run.
        taken: what it needs.
        checkpoints: number that is measured.

    Raises:
        UserError: a file would be too large, or there are too many layers.
    """
    layers, classes = len(experiment.layers), len(experiment.images.classes)
    if layers > schema.MOST_LAYERS:
        raise SettingError(
            "layers", None, f"selects {layers:,}; a run can have at most {schema.MOST_LAYERS:,}"
        )
    planned = len(experiment.checkpoints)
    planes = known(experiment.config.measure.planes)
    files = (
        (
            f"the matrices of {layers:,} layers, {checkpoints:,} checkpoints and {classes:,} classes",
            schema.dynamics_bytes(layers, checkpoints, classes),
            schema.DYNAMICS_BYTES,
            "`checkpoints` or `layers`",
        ),
        (
            f"the anchors of {planes:,} planes",
            3 * planes * experiment.data.images[0].numel(),
            schema.ARRAY_BYTES,
            "`planes`",
        ),
        (
            "the label maps of a checkpoint",
            taken.maps // planned,
            schema.ARRAY_BYTES,
            "`planes` or `layers`, or a smaller `grid`",
        ),
        (
            "the packed Grams of a checkpoint",
            taken.summaries // planned,
            schema.SUMMARIES_BYTES,
            "`probe_images` or `layers`",
        ),
    )
    for what, needed, most, fewer in files:
        if needed > most - _HEADERS:
            raise UserError(
                f"{what} need {size(needed)}, more than the {size(most)} that can be read; "
                f"use fewer {fewer}"
            )


_HEADERS = 2**20
"""Reserved for array headers and whatever else is in the same file."""
