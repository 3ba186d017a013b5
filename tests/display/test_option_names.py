"""How messages name settings where options are given."""

import pytest

from repdyn.display.option_names import in_options
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
