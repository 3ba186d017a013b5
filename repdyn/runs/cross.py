"""CKA between two runs, from the rows that they stored, without a forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repdyn.display.reading import measured
from repdyn.display.wording import plain
from repdyn.errors import NoArtifactError, UserError
from repdyn.measures.rows import cka_matrix
from repdyn.measures.spec import PRIMARY
from repdyn.records import RunRecord
from repdyn.report.comparison import CrossCka
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.reader import load_summaries

PROBES = ("dataset", "image_size", "data_seed", "probe_images", "cka", "cka_batch")
"""Settings that determine the reference images and their rows."""


def cross_cka(a: RunRecord, b: RunRecord, store: StoreConfig) -> CrossCka:
    """Return the CKA of each layer of a with each of b at the checkpoints that both have.

    Args:
        a, b: the runs.
        store: where they are.

    Raises:
        UserError: their reference images differ, they have no checkpoint in common, or their rows
            are damaged or not stored; the runs are not named.
    """
    different = different_probes(a, b)
    if different:
        raise UserError(f"their reference images differ ({different})")
    common = np.intersect1d(measured(a).steps, measured(b).steps)
    if not len(common):
        raise UserError("they have no checkpoint in common")
    ids = (a.summary.run_id, b.summary.run_id)
    try:
        values = [
            _layer_by_layer(*(load_summaries(store, run, PRIMARY.name, int(at)) for run in ids))
            for at in common
        ]
    except NoArtifactError:
        raise UserError(
            "it takes the Gram matrices of both, which are not all stored (the demo's are not)"
        ) from None
    layers = (measured(a).layers, measured(b).layers)
    return CrossCka(
        (a.summary.name, b.summary.name), layers, common, np.stack(values).astype(np.float32)
    )


def _layer_by_layer(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    if a.shape[1] != b.shape[1]:
        raise UserError(f"grams: row lengths differ ({a.shape[1]} and {b.shape[1]})")
    return cka_matrix(list(a), list(b))


def different_probes(a: RunRecord, b: RunRecord) -> str | None:
    """Return how the reference images of two runs differ, `data_seed 0 and 1`; None if they do not.

    Settings decide if both runs have them: normalised images differ slightly between training sets
    whose reference images are the same. For runs of custom training loops, fingerprints decide.
    """
    params = (a.summary.params, b.summary.params)
    if not all("dataset" in one for one in params):
        prints = [run.summary.tags.get(schema.INPUTS_TAG) for run in (a, b)]
        if None in prints:
            return "not known for both runs"
        return None if prints[0] == prints[1] else "by their fingerprints"
    values = ((name, *(plain(one.get(name, "")) for one in params)) for name in PROBES)
    return next((f"{name} {one} and {other}" for name, one, other in values if one != other), None)
