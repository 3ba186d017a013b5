"""Display names: one table for each kind of thing, by its stored name."""

from __future__ import annotations

from collections.abc import Mapping

ACCURACIES: Mapping[str, str] = {
    "train/acc": "train",
    "train/acc_clean": "clean",
    "train/acc_noisy": "noisy fit",
    "test/acc": "test",
}
"""The accuracy curves."""

ERRORS: Mapping[str, str] = {
    name: f"{ACCURACIES[name]} error" for name in ("train/acc", "test/acc")
}
"""The error curves, 1 minus an accuracy."""

LOSSES: Mapping[str, str] = {"train/loss": "train", "test/loss": "test"}
"""The loss curves."""

PROBES: Mapping[str, str] = {
    "test": "linear probes: test accuracy",
    "clean": "linear probes: accuracy on clean examples",
    "noisy": "linear probes: fit of flipped labels",
}
"""The accuracies of linear probes, by their split."""

PHASES: Mapping[str, str] = {
    "onset": "memorisation onset",
    "fit": "perfect fit",
    "test_min": "test error minimum",
    "test_peak": "test error peak",
}
"""The phase boundaries, in words."""

MARKS: Mapping[str, str] = {
    "onset": "onset",
    "fit": "fit",
    "test_min": "min",
    "test_peak": "peak",
}
"""The phase boundaries, as they are marked on an axis."""

PHASE_MEANINGS: Mapping[str, str] = {
    "onset": "the flipped labels start to be fit",
    "fit": "every training label is fit, even flipped ones",
    "test_min": "the lowest test error before it rises again",
    "test_peak": "the highest test error before it falls again",
}
"""What each phase boundary means."""

SCORES: Mapping[str, str] = {
    "fit_break": "break at perfect fit",
    "fit_break_weakest_layer_rank": "break of the weakest layer, rank",
    "all_break_chance": "chance that all layers break",
    "synchrony": "synchrony of the layers",
    "synchrony_outside_fit": "synchrony away from perfect fit",
    "change_spread": "spread of the change from onset to fit",
    "break_spread": "spread of the breaks",
    "depth_drift": "drift of deeper layers",
    "first_layer_return": "return of the first layer",
}
"""The scores, where there is space; the rank of each is called after it."""

PLANES: Mapping[str, str] = {
    "test": "test images",
    "train": "training images",
    "noisy": "training images, some mislabelled",
}
"""Where the three images of a plane come from."""
