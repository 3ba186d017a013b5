"""What a training goes on from comes back as it was, whatever optimizer it has; nothing is pickled."""

import io
import math
import pickle
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import timm.optim
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from repdyn.errors import UserError
from repdyn.measures.probes import LinearProbe, fit_probe
from repdyn.runs.saving import decode_state
from repdyn.runs.state_file import decode, encode
from repdyn.settings.schema import OptimConfig
from repdyn.training.loop import make_optimizer


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, Tensor):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            assert_same(ours[key], value)
    elif isinstance(theirs, list | tuple):
        assert (type(ours), len(ours)) == (type(theirs), len(theirs))
        for each, other in zip(ours, theirs, strict=True):
            assert_same(each, other)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs or (math.isnan(ours) and math.isnan(theirs))


def test_a_tree_comes_back_as_it_was() -> None:
    image = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    tree = {
        "image": image,
        "part": image[:, 1],
        "transposed": torch.rand(5, 3).T,
        "twice": [image, image],
        "types": [
            torch.zeros((), dtype=torch.float64),
            torch.tensor([True]),
            torch.get_rng_state(),
            torch.empty(0, 3),
            torch.ones(2, dtype=torch.bfloat16),
        ],
        "numbers": [0.1 + 0.2, float("inf"), float("nan"), 5e-324, 2**80, True, None, -0.0],
        "dtype": torch.bfloat16,
        "text": "\x00ü",
        "empty": [{}, (), []],
        "keys": {0: {"1": ("a", (1,))}, "tensor": "x", "order": []},
    }
    found = decode(encode(tree))
    tree["part"] = image[:, 1].contiguous()
    assert_same(found, tree)


@pytest.mark.parametrize("what", [{1, 2}, object(), b"bytes", {(1, 2): 3}])
def test_of_other_things_there_are_none(what: object) -> None:
    with pytest.raises(TypeError, match="in a state"):
        encode({"what": what})


# kron's tensor products take minutes to plan
OPTIMIZERS = [
    name for name in map(str, timm.optim.list_optimizers()) if not name.startswith("kron")
]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_every_optimizer_comes_back(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 3))
    try:
        optimizer = make_optimizer(model, OptimConfig(opt=name, lr=0.01))
    except UserError as error:
        pytest.skip(str(error))
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.rand(2, 1, 4, 4)).square().sum().backward()
        optimizer.step()
    state = optimizer.state_dict()
    assert_same(decode(encode(state)), state)


def whole() -> bytes:
    state = {"format": 4, "trainer": {"epoch": 1, "x": torch.ones(2)}, "recorder": {}}
    return encode(state | {"seconds": {"training": 1.0}})


def test_a_whole_state_is_read() -> None:
    assert decode_state(whole())["trainer"]["epoch"] == 1


@given(at=st.integers(0, len(whole()) - 1), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_state_is_one_line(at: int, bit: int, cut: bool) -> None:
    content = bytearray(whole())
    content[at] ^= 1 << bit
    with suppress(UserError):  # a bit of a number makes another number
        assert decode_state(bytes(content[:at] if cut else content))["format"] == 4


def test_the_probes_of_an_older_state_are_not_used() -> None:
    old = {"format": 3, "trainer": {"epoch": 1}, "recorder": {"stem": {"weight": torch.ones(2)}}}
    assert decode_state(encode(old | {"seconds": {}}))["recorder"] == {}


def test_a_state_of_an_unknown_format_is_refused() -> None:
    strange = {"format": 2, "trainer": {"epoch": 1}, "recorder": {}, "seconds": {}}
    with pytest.raises(UserError, match="was saved by a different repdyn version"):
        decode_state(encode(strange))


def test_a_state_that_another_repdyn_pickled_is_not_read() -> None:
    out = io.BytesIO()
    torch.save({"format": 2}, out)
    for content in (out.getvalue(), pickle.dumps({"format": 2}), b""):
        with pytest.raises(UserError, match="is damaged"):
            decode_state(content)


def test_a_probe_that_starts_from_the_state_ends_bit_for_bit_as_one_that_went_on() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 200)
    before = rng.normal(size=(200, 32)) + labels[:, None]
    after = before + 0.1 * rng.normal(size=before.shape)
    start = fit_probe(before, labels, 10)
    kept = decode(encode({k: torch.from_numpy(v) for k, v in vars(start).items()}))
    again = LinearProbe(**{k: v.numpy() for k, v in kept.items()})
    went_on, resumed = (fit_probe(after, labels, 10, start=probe) for probe in (start, again))
    assert np.array_equal(went_on.weight, resumed.weight)
    assert np.array_equal(went_on.bias, resumed.bias)
