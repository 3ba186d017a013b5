import argparse
import io
import json
import os
import pickle
import random
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from repdyn.checkpoints.weights_file import read_weights
from repdyn.errors import UserError

WEIGHTS = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.tensor([1, 2])}


@dataclass
class Settings:
    """What a user may save beside the weights."""

    lr: float


class Runs:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def same(weights: dict[str, Tensor], expected: dict[str, Tensor] = WEIGHTS) -> bool:
    return weights.keys() == expected.keys() and all(
        torch.equal(weights[name], expected[name]) for name in expected
    )


def saved(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def message(path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        read_weights(path, **options)
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS, "optimizer": {"state": {}, "param_groups": []}},
        {"model_state_dict": WEIGHTS, "state_dict_ema": {"x": torch.ones(1)}},
        {"encoder": WEIGHTS, "step": 4},
        {**WEIGHTS, "conv._extra_state": None},
    ],
)
def test_weights_are_found(tmp_path: Path, content: object) -> None:
    assert same(read_weights(saved(tmp_path / "a.pt", content)))


@pytest.mark.parametrize("key", ["ema.model", "a.b"])
def test_key_of_nested_weights(tmp_path: Path, key: str) -> None:
    content = {"ema": {"model": WEIGHTS}, "a.b": WEIGHTS, "state_dict": {"x": torch.ones(1)}}

    assert same(read_weights(saved(tmp_path / "a.pt", content), key=key))


def test_files_of_before_torch_1_6(tmp_path: Path) -> None:
    content = {"state_dict": WEIGHTS, "args": argparse.Namespace(lr=1)}

    path = saved(tmp_path / "a.pt", content, _use_new_zipfile_serialization=False)

    assert same(read_weights(path))


def test_what_else_a_file_holds_is_neither_needed_nor_imported(tmp_path: Path) -> None:
    content = {
        "model": WEIGHTS,
        "args": argparse.Namespace(lr=0.1, out=tmp_path),
        "settings": Settings(0.1),
        "best": np.float64(0.5),
        "numpy": np.random.default_rng(0).bit_generator.state,
        "array": np.arange(3),
        "history": defaultdict(list, loss=[1.0]),
        "random": random.getstate(),
        "module": nn.Linear(2, 2),
    }

    assert same(read_weights(saved(tmp_path / "a.pt", content)))
    assert not [one for one in torch.serialization.get_safe_globals() if isinstance(one, tuple)]


def test_safetensors(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")

    assert same(read_weights(tmp_path / "a.safetensors"))
    save_file(WEIGHTS, tmp_path / "A.SAFETENSORS")
    assert same(read_weights(tmp_path / "A.SAFETENSORS"))
    assert "omit key='model'" in message(tmp_path / "a.safetensors", key="model")


def test_sharded_safetensors(tmp_path: Path) -> None:
    index = sharded(tmp_path, {"conv.weight": "one.safetensors", "conv.bias": "two.safetensors"})

    assert same(read_weights(index))


def sharded(folder: Path, homes: dict[str, str]) -> Path:
    for name, value in WEIGHTS.items():
        save_file({name: value}, folder / Path(homes.get(name, "none.safetensors")).name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": homes}))
    return index


def test_an_index_with_wrong_shards(tmp_path: Path) -> None:
    outside = sharded(tmp_path, {"conv.weight": "../one.safetensors"})
    assert "lists ../one.safetensors, which is not a file beside it" in message(outside)
    absent = sharded(tmp_path, {"conv.weight": "one.safetensors", "gone": "one.safetensors"})
    assert "gone is not in one.safetensors" in message(absent)
    (tmp_path / "one.safetensors").unlink()
    with pytest.raises(UserError, match=r"one\.safetensors: cannot be read"):
        read_weights(absent)
    absent.write_text("[1]")
    assert "is not an index of sharded weights" in message(absent)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."]
)
def test_prefixes_of_wrappers_are_removed(tmp_path: Path, prefix: str) -> None:
    wrapped = {prefix + name: value for name, value in WEIGHTS.items()}
    path = saved(tmp_path / "a.pt", wrapped)

    assert same(read_weights(path))
    assert same(read_weights(path, strip_prefix=""), wrapped)


def test_a_prefix_selects_the_names_that_have_it(tmp_path: Path) -> None:
    content = {f"model.{name}": value for name, value in WEIGHTS.items()} | {"w": torch.ones(2)}
    path = saved(tmp_path / "a.pt", content)

    assert same(read_weights(path, strip_prefix="model."))
    assert "no name begins with 'net.'; names there: model.conv.weight" in message(
        path, strip_prefix="net."
    )


def test_weights_that_are_not_finite_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"w": torch.tensor([torch.nan, torch.inf])})

    assert read_weights(path)["w"].isnan().tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"epoch": 3, "args": {"lr": 1}},
            "holds no weights; keys there: epoch, args; give key, or",
        ),
        ({"a": WEIGHTS, "b": WEIGHTS}, "holds weights at a, b; give key"),
        ([1, 2], "holds no state_dict instead of weights; re-save its state_dict"),
        ({}, "holds no weights; give key, or re-save its state_dict"),
        (Settings(1.0), "holds a pickled object instead of weights; re-save its state_dict"),
        (nn.Linear(2, 2), "holds a pickled object instead of weights; re-save its state_dict"),
        ({"model": nn.Linear(2, 2)}, "holds no weights; keys there: model"),
        ({"w": torch.ones(2, device="meta")}, "w was saved on the meta device, without its values"),
    ],
)
def test_files_without_weights(tmp_path: Path, content: object, said: str) -> None:
    assert said in message(saved(tmp_path / "a.pt", content))


def test_keys_that_are_not_there(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"model": WEIGHTS, "epoch": 3})

    assert "has no key 'net'; keys there: model, epoch" in message(path, key="net")
    assert "has no key 'epoch.net'" in message(path, key="epoch.net")
    assert "key='epoch' holds no weights" in message(path, key="epoch")


@pytest.mark.parametrize(
    "call",
    [
        lambda marker: Runs(os.system, f"touch {marker}"),
        lambda marker: Runs(eval, f"open({str(marker)!r}, 'w')"),
        lambda marker: Runs(exec, f"open({str(marker)!r}, 'w')"),
        lambda marker: Runs(Path.touch, marker),
        lambda marker: Runs(torch.save, 1, marker),
        lambda marker: Runs(np.save, marker, 1),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(
    tmp_path: Path, call: Callable[[Path], Runs], zipped: bool
) -> None:
    marker = tmp_path / "marker.npy"
    path = saved(
        tmp_path / "a.pt",
        {"model": WEIGHTS, "x": call(marker)},
        _use_new_zipfile_serialization=zipped,
    )

    try:
        assert same(read_weights(path))
    except UserError as error:
        assert str(path) in str(error)  # noqa: PT017 (either is right, running it is not)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("call", "name"), [(os.system, f"{os.name}.system"), (eval, "builtins.eval")]
)
def test_an_attack_is_named(tmp_path: Path, call: Callable[..., Any], name: str) -> None:
    path = saved(tmp_path / "a.pt", {"model": WEIGHTS, "x": Runs(call, "1")})

    assert f"refers to {name}, which no checkpoint needs, and was not loaded" in message(path)


def test_plain_pickles_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"model": Runs(os.system, f"touch {tmp_path / 'marker'}")}))

    assert "is damaged, or needs to be unpickled" in message(path)
    assert not (tmp_path / "marker").exists()


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(7)}, buffer)
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(buffer) as original, zipfile.ZipFile(path, "w") as forged:
        for entry in original.infolist():
            content = original.read(entry)
            # the size of the tensor, (7,), follows its offset, 0
            content = content.replace(b"K\x00K\x07\x85", b"K\x00K\xff\x85")
            forged.writestr(entry, content)

    assert "is damaged, or needs to be unpickled" in message(path)


def test_damaged_files(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.pt", WEIGHTS).read_bytes()
    save_file(WEIGHTS, tmp_path / "whole.safetensors")
    path = tmp_path / "a.pt"
    for content, said in (
        (b"", "is empty"),
        (b"<html>", "is not a checkpoint of torch; give files of torch.save"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (whole[:-40], "is damaged, or needs to be unpickled, which is not done; re-save"),
        (whole[:100], "is damaged, or needs to be unpickled, which is not done; re-save"),
    ):
        path.write_bytes(content)
        assert said in message(path)
    path = tmp_path / "a.safetensors"
    path.write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-3])
    assert "is truncated or not a safetensors file" in message(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), zipped=st.booleans())
def test_any_damage_is_one_clear_error(tmp_path: Path, data: st.DataObject, zipped: bool) -> None:
    path = saved(tmp_path / "a.pt", {"model": WEIGHTS}, _use_new_zipfile_serialization=zipped)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    try:
        read_weights(path)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 (some damage does no harm)


def test_archives_that_cannot_be_mapped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as script:
        script.writestr("script/constants.pkl", b"")
    assert "is a TorchScript archive; re-save its state_dict" in message(tmp_path / "script.pt")

    stored = saved(tmp_path / "stored.pt", WEIGHTS)
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(stored) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert "is compressed" in message(packed)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in message(tmp_path / "gone.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    assert "is a pipe, a socket or a device" in message(tmp_path / "pipe.pt")
