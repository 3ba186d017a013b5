"""What each view shows and what to look for in it, for the help: three sentences each."""

from __future__ import annotations

from collections.abc import Mapping

EXPLAINED: Mapping[str, str] = {
    "runs": (
        "Each row is a training run, with its settings and results; the colours under similarity are "
        "those of its layers to the last checkpoint, from the first epoch to the last, and the preview "
        "shows them by layer. Look for where they turn bright, early or late, at once or gradually, and "
        "for the epochs of memorisation onset and perfect fit. Open a run to see what its layers do, or "
        "mark several to compare them."
    ),
    "overview": (
        "Each row is a layer, each column a checkpoint, and the colour says how similar the layer is to "
        "itself at the last checkpoint, or another reference. Look for edges: where all rows change "
        "colour at one epoch the whole network changes, and a staircase means that some layers settle "
        "first. The band below the rows names the phases, and ┃ marks where a layer changes abruptly."
    ),
    "layer": (
        "Rows and columns are the checkpoints of one layer, and the colour is how similar two of them "
        "are. Look for squares along the diagonal: within one the layer stays alike, and where it ends the "
        "layer changes. The curve beside the matrix is the row of the cursor, as a distance."
    ),
    "layers": (
        "The matrices of all layers, on one colour scale. Look for squares that end at the same epoch in "
        "every layer, which is a phase of the whole network, and for layers that settle before others. "
        "Open one to see it large."
    ),
    "regions": (
        "A plane through three images, coloured by the class that the network, or the probe of a layer, "
        "predicts at each point. Look for islands around flipped labels, which appear as they are "
        "memorised, and for borders that stop moving. Pin an epoch to see what has changed since."
    ),
    "curves": (
        "The metrics over the epochs of the heatmaps; the list at the left chooses them. Look for where "
        "training and test accuracy part, and for train/acc_noisy, the share of flipped labels that the "
        "network predicts: it rises when memorisation begins. The dotted lines are the phase boundaries."
    ),
    "phases": (
        "What the run shows in sentences, its phases in one picture, and its scores in words, those that "
        "stand out behind ▸. Look for long intervals, where the curves do not tell when a phase begins, "
        "and for what a score is compared with: the run's other epochs, or random draws. One run is no "
        "proof of a score, several seeds are better."
    ),
    "info": (
        "How the run was started and what it has stored: params, tags, checkpoints and artifacts. Look "
        "for the settings in which it differs from a run that you compare it with. Everything here is as "
        "MLflow has it."
    ),
    "compare": (
        "The marked runs side by side, with one cursor for all, linked by epoch or by phase. Look for what "
        "happens in one run and not in the other, or at another epoch; of two runs, B − A is the map of "
        "their difference. Two runs are no proof of a difference, several seeds are better."
    ),
}
"""By the name of a view, or of a screen without views."""

COLOURS = (
    "The colour bar has low values at its left. A log scale is even in the distance from 1: .9, .99 and "
    ".999 are equally far apart. Its limits are fixed, the same for all runs, until s asks for those of "
    "the run shown, or for a linear scale, and + for those of the part in view."
)
"""What is said of the colours of heatmaps."""

WITH_COLOURS = frozenset({"overview", "layer", "layers", "compare"})
"""The views that have a colour bar."""
