"""Curves as they grow."""

import numpy as np

from repdyn.records import Curve
from repdyn.runs.curves import GrowingCurves


def test_an_epoch_that_is_trained_again_replaces_what_was_known() -> None:
    known = {"train/acc": Curve(np.array([1, 2, 3]), np.array([0.1, 0.2, 0.3]))}
    growing = GrowingCurves(known)
    growing.add(3, {"train/acc": 0.35, "lr": 1.0})
    growing.add(4, {"train/acc": 0.4, "lr": 0.5})
    curves = growing.curves()
    assert list(curves) == ["lr", "train/acc"]
    assert curves["train/acc"].steps.tolist() == [1, 2, 3, 4]
    assert curves["train/acc"].values.tolist() == [0.1, 0.2, 0.35, 0.4]
    assert curves["lr"].steps.tolist() == [3, 4]
    assert known["train/acc"].values.tolist() == [0.1, 0.2, 0.3]
