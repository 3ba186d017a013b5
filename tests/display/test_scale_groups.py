"""Which metrics share a vertical axis."""

from __future__ import annotations

import numpy as np

from repdyn.display.metrics import scale_groups
from repdyn.records import Curve


def curve(*values: float) -> Curve:
    return Curve(np.arange(len(values)), np.array(values))


def together(**values: float) -> list[set[str]]:
    """The names that share an axis, of curves from 0 to a value; `__` stands for a slash."""
    curves = {name.replace("__", "/"): curve(0, value) for name, value in values.items()}
    return [set(group.curves) for group in scale_groups(curves)]


def test_accuracies_and_losses_never_share_an_axis() -> None:
    groups = together(train__loss=0.9, train__acc=0.8, test__acc_clean=0.7, val__loss=1.1)
    assert groups == [{"train/acc", "test/acc_clean"}, {"train/loss", "val/loss"}]


def test_any_part_of_a_nested_name_tells_what_it_is() -> None:
    groups = together(train__loss__kl=0.9, val__loss__total=1.1, val__acc__top1=0.8, top1=0.7)
    assert groups == [{"val/acc/top1"}, {"train/loss/kl", "val/loss/total"}, {"top1"}]


def test_shares_and_percents_do_not_share_one() -> None:
    assert together(a__acc=0.9, b__acc=91.0) == [{"b/acc"}, {"a/acc"}]


def test_other_metrics_share_one_by_their_name_or_their_folder() -> None:
    groups = together(a__lr=0.1, b__lr=0.2, grad__w=1.0, grad__v=2.0, memory=3.0)
    assert groups == [{"a/lr", "b/lr"}, {"grad/w", "grad/v"}, {"memory"}]


def test_one_that_would_be_flat_has_its_own() -> None:
    assert together(time__step=0.01, time__epoch=60.0) == [{"time/epoch"}, {"time/step"}]


def test_curves_without_a_finite_value_are_kept() -> None:
    groups = scale_groups({"x": curve(np.nan, np.inf), "y/loss": curve(np.nan)})
    assert [set(group.curves) for group in groups] == [{"y/loss"}, {"x"}]
