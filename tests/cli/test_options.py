"""How the command line names settings, and how it reads those of a sweep."""

import pytest

from repdyn.cli.options import given_pairs, in_options
from repdyn.errors import SettingError, UserError


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (SettingError("label_noise", 1.2, "must be below 1"), "--label-noise 1.2: must be below 1"),
        (SettingError("similarity", None, "give one"), "--similarity: give one"),
        (
            SettingError("opt", "madgrad", "has no default learning rate; give `lr`"),
            "--opt madgrad: has no default learning rate; give --lr",
        ),
        (UserError("lower `lr`, or use `on_nan continue`"), "lower --lr, or use --on-nan continue"),
        (UserError("label_noise stays a word"), "label_noise stays a word"),
        (UserError("write `name: value` lines"), "write `name: value` lines"),
        ("name another with `tracking_uri`", "name another with --tracking-uri"),
    ],
)
def test_settings_are_named_as_options(message: UserError | str, said: str) -> None:
    assert in_options(message) == said


def test_settings_of_a_sweep_are_written_as_options_are() -> None:
    words = ["--label-noise", "0,0.1", "--lr=0.1", "--compile", "--no-compile", "--opt", "sgd"]
    assert list(given_pairs(words)) == [
        ("label_noise", "0,0.1"),
        ("lr", "0.1"),
        ("compile", "true"),
        ("compile", "false"),
        ("opt", "sgd"),
    ]
