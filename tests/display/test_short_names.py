"""Names of layers in little room."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.display.short_names import least_room, shortened

WORDS = st.text("abc0", min_size=1, max_size=8)
NAMES = st.lists(
    st.lists(WORDS, min_size=1, max_size=5).flatmap(
        lambda parts: st.sampled_from("._").map(lambda mark: mark.join(parts))
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(NAMES, st.integers(1, 40))
def test_names_fit(names: list[str], room: int) -> None:
    assert all(len(name) <= room for name in shortened(names, room))


@given(NAMES, st.integers(1, 40))
def test_names_consist_of_whole_words_where_their_last_ones_fit(
    names: list[str], room: int
) -> None:
    words = [re.split(r"[._]", name) for name in names]
    if room < least_room(names):
        return
    for whole, short in zip(words, shortened(names, room), strict=True):
        assert set(re.split(r"[._…]", short)) - {""} <= set(whole)


@pytest.mark.parametrize(
    ("names", "room", "shown"),
    [
        (["stem", "logits"], 6, ["stem", "logits"]),
        (["model.layers.0", "model.layers.11"], 8, ["0", "11"]),
        (["patch_embed", "blocks.0"], 8, ["…embed", "blocks.0"]),
        (["layer1.0.conv", "layer2.0.conv"], 12, ["layer1…conv", "layer2…conv"]),
        (["encoder.block.3.mlp", "head"], 10, ["…3.mlp", "head"]),
        (["extraordinary"], 6, ["…inary"]),
    ],
)
def test_names_are_cut_between_their_parts(names: list[str], room: int, shown: list[str]) -> None:
    assert list(shortened(names, room)) == shown
