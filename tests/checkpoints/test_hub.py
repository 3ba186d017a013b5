"""Against a fake of huggingface_hub that writes real files."""

import fnmatch
import json
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi, snapshot_download
from safetensors.torch import save_file

from repdyn.checkpoints import from_hub
from repdyn.errors import UserError

REPO = "someone/model"


class FakeHub:
    """A repository, by revision: files that are written when they are downloaded."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Callable[[Path], object]]] = {}
        self.tags: set[str] = set()
        self.downloaded: list[tuple[str, tuple[str, ...]]] = []
        self.folders: list[Path] = []

    def list_repo_refs(self, _api: HfApi, repo_id: str) -> object:
        assert repo_id == REPO
        refs = [
            SimpleNamespace(name=name, ref=f"refs/x/{name}", target_commit=f"commit of {name}")
            for name in self.files
        ]
        return SimpleNamespace(
            branches=[ref for ref in refs if ref.name not in self.tags],
            tags=[ref for ref in refs if ref.name in self.tags],
        )

    def list_repo_files(self, _api: HfApi, repo_id: str, *, revision: str) -> list[str]:
        return ["README.md", *self.files[revision.removeprefix("commit of ")]]

    def snapshot_download(
        self, repo_id: str, *, revision: str, local_dir: str, allow_patterns: list[str]
    ) -> str:
        name = revision.removeprefix("commit of ")
        wanted = tuple(
            file
            for file in self.files[name]
            if any(fnmatch.fnmatch(file, pattern) for pattern in allow_patterns)
        )
        for file in wanted:
            self.files[name][file](Path(local_dir) / file)
        self.downloaded.append((name, wanted))
        self.folders.append(Path(local_dir))
        return local_dir


def safe(value: float, name: str = "w") -> Callable[[Path], object]:
    return lambda path: save_file({name: torch.tensor([value])}, path)


def pickled(value: float) -> Callable[[Path], object]:
    return lambda path: torch.save({"w": torch.tensor([value])}, path)


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub()

    def method(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda api, *args, **named: function(api, *args, **named)

    monkeypatch.setattr(HfApi, "list_repo_refs", method(fake.list_repo_refs))
    monkeypatch.setattr(HfApi, "list_repo_files", method(fake.list_repo_files))
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
    return fake


def test_the_fake_is_called_as_the_library_is() -> None:
    assert signature(HfApi.list_repo_refs).bind(HfApi(), REPO)
    assert signature(HfApi.list_repo_files).bind(HfApi(), REPO, revision="x")
    assert signature(snapshot_download).bind(REPO, revision="", local_dir="", allow_patterns=[])


def test_revisions_are_downloaded_one_by_one_and_deleted(hub: FakeHub) -> None:
    hub.files = {
        "main": {"model.safetensors": safe(9)},
        "step1000": {"model.safetensors": safe(2), "optimizer.pt": pickled(0)},
        "step512": {"pytorch_model.bin": pickled(1), "model.safetensors": safe(1)},
        "step0": {"pytorch_model.bin": pickled(0), "config.json": text("{}")},
    }

    source = from_hub(REPO)

    assert source.steps == (0, 512, 1000)
    assert source.unit == "step"
    assert source.description == "someone/model@step*"
    assert hub.downloaded == []
    for step, value, checkpoint in zip(source.steps, (0, 1, 2), source, strict=True):
        assert (checkpoint.step, checkpoint.name) == (step, f"someone/model@step{step}")
        assert checkpoint.weights["w"].item() == value
        assert [folder.exists() for folder in hub.folders[-2:]] in ([True], [False, True])
    assert hub.downloaded == [
        ("step0", ("pytorch_model.bin",)),
        ("step512", ("model.safetensors",)),
        ("step1000", ("model.safetensors",)),
    ]
    assert not any(folder.exists() for folder in hub.folders)


def test_nothing_is_left_of_an_iteration_that_is_given_up(hub: FakeHub) -> None:
    hub.files = {f"step{n}": {"model.safetensors": safe(n)} for n in range(3)}

    for _ in from_hub(REPO):
        break

    assert [folder.exists() for folder in hub.folders] == [False]


def test_only_some_revisions_are_downloaded(hub: FakeHub) -> None:
    hub.files = {f"step{n}": {"model.safetensors": safe(n)} for n in range(9)}

    list(from_hub(REPO).only([2, 5]))

    assert [name for name, _ in hub.downloaded] == ["step2", "step5"]


def test_sharded_weights(hub: FakeHub) -> None:
    first, second = (f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
    index = json.dumps({"weight_map": {"w": first, "v": second}})
    hub.files["step1"] = {
        first: safe(1),
        second: safe(2, "v"),
        "model.safetensors.index.json": text(index),
        "pytorch_model-00001-of-00001.bin": pickled(0),
    }

    weights = [
        {name: value.item() for name, value in one.weights.items()} for one in from_hub(REPO)
    ]

    assert weights == [{"w": 1, "v": 2}]
    assert "pytorch_model-00001-of-00001.bin" not in hub.downloaded[0][1]


def test_tags_and_expressions(hub: FakeHub) -> None:
    hub.files = {f"{unit}-{n}": {"model.safetensors": safe(n)} for unit in "ab" for n in (1, 2)}
    hub.tags = {"a-2"}

    source = from_hub(REPO, r"^a-(?P<step>\d+)$", unit="epoch", strip_prefix="")

    assert source.steps == (1, 2)
    assert source.unit == "epoch"


def test_revisions_that_cannot_be_used(hub: FakeHub) -> None:
    hub.files = {"main": {}, "step1": {"flax_model.msgpack": text("")}}

    with pytest.raises(UserError, match="someone/model: no name matches epoch"):
        from_hub(REPO, "epoch*")
    with pytest.raises(UserError, match=r"someone/model@step1: has none of model\.safetensors"):
        list(from_hub(REPO))
    hub.files["step1"] = {"model.safetensors": text("<html>")}
    with pytest.raises(UserError, match=r"someone/model@step1: .* is truncated or not a safetens"):
        list(from_hub(REPO))
    assert not any(folder.exists() for folder in hub.folders)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise ConnectionError("404 Client Error\nRepository Not Found")

    hub.files["step1"] = {"model.safetensors": safe(1)}
    source = from_hub(REPO)
    for name in ("list_repo_refs", "list_repo_files"):
        monkeypatch.setattr(HfApi, name, refuse)

    said = r"cannot be read from Hugging Face \(404 Client Error\)$"
    with pytest.raises(UserError, match=f"^someone/model: {said}"):
        from_hub(REPO)
    with pytest.raises(UserError, match=f"^someone/model@step1: {said}"):
        list(source)


def test_an_invalid_name_of_a_repository() -> None:
    with pytest.raises(UserError, match=r"a//b: cannot be read from Hugging Face .*Repo id"):
        from_hub("a//b")


def test_huggingface_hub_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(UserError, match=r"pip install 'repdyn\[hub\]'"):
        from_hub(REPO)
