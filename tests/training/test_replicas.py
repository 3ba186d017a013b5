"""Several processes that train one model; a whole run of `torchrun` is in tests/e2e/test_torchrun.py."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from repdyn.settings.schema import Augment
from repdyn.training.batch_norm import GlobalBatchNorm
from repdyn.training.loop import augmented
from repdyn.training.replicas import ONE, Distributed, Share, is_lost_connection
from tests.support import two_replicas
from tests.support.forked import ROOT, ForkedProcess


@pytest.fixture
def group() -> Iterator[Any]:
    """A process group of this process alone."""
    store = dist.HashStore()  # type: ignore[attr-defined]  # missing in the stubs
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield store
    dist.destroy_process_group()


def replica(store: Any, rank: int, size: int) -> Distributed:
    one = Distributed(store)
    one.rank, one.size = rank, size
    return one


@pytest.mark.parametrize("n", [2, 3, 4, 7, 16])
def test_shares_make_up_the_batch(group: Any, n: int) -> None:
    size = 3
    shares = [replica(group, rank, size).share(n) for rank in range(size)]
    losses = torch.rand(n, dtype=torch.float64)
    means = [losses[share.part].mean() * share.weight for share in shares]
    sums = [losses[share.part].sum() * share.counts for share in shares]
    torch.testing.assert_close(sum(means) / size, losses.mean())
    torch.testing.assert_close(sum(sums), losses.sum())
    assert all(share.part.stop > share.part.start for share in shares)


@pytest.mark.parametrize("kind", ["flip", "crop-flip"])
def test_an_image_is_augmented_alike_whoever_takes_it(group: Any, kind: Augment) -> None:
    images = torch.randint(0, 256, (11, 2, 8, 8), dtype=torch.uint8)
    whole = augmented(images, kind, torch.Generator().manual_seed(3))
    parts = []
    for rank in range(3):
        share = replica(group, rank, 3).share(len(images))
        generator = torch.Generator().manual_seed(3)
        parts.append(augmented(images[share.part], kind, generator, share))
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("shape", [(6, 3, 4, 4), (6, 3), (6, 3, 5)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_of_one_process_is_torchs(
    group: Any, shape: tuple[int, ...], affine: bool
) -> None:
    found = []
    for mode in (nullcontext(), GlobalBatchNorm(1.0)):
        torch.manual_seed(0)
        x = torch.randn(shape, requires_grad=True)
        weight, bias = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
        mean, var = torch.zeros(3), torch.ones(3)
        w, b = (weight, bias) if affine else (None, None)
        with mode:
            y = F.batch_norm(x, mean, var, w, b, training=True, momentum=0.2)
        (y * torch.arange(y.numel()).reshape(shape)).sum().backward()
        found.append([y.detach(), mean, var, x.grad, weight.grad, bias.grad])
    for ours, torchs in zip(*found, strict=True):
        assert (ours is None) == (torchs is None)
        if ours is not None:
            torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-4)


def test_batch_norm_in_eval_mode_is_left_alone(group: Any) -> None:
    layer, x = nn.BatchNorm2d(3).eval(), torch.randn(4, 3, 2, 2)
    before = layer(x)
    with GlobalBatchNorm(2.0):
        assert torch.equal(layer(x), before)


def test_alone_nothing_is_done() -> None:
    model = nn.Linear(1, 1)
    assert ONE.wrapped(model) is model
    assert ONE.share(7) == Share(slice(0, 7), 7)
    state = torch.get_rng_state()
    ONE.scatter_random_state(3)
    assert torch.equal(torch.get_rng_state(), state)


def test_only_errors_of_collectives_are_lost_connections() -> None:
    assert is_lost_connection(dist.DistNetworkError("timeout"))
    assert is_lost_connection(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed"))
    assert not is_lost_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost_connection(ValueError("gloo"))


def trained(folder: Path, size: int, *arguments: str) -> list[dict[str, Any]]:
    """Train in processes of their own, as torchrun starts them; return what each has saved."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = [str(folder / f"{size}-{rank}.pt") for rank in range(size)]
    started = [
        ForkedProcess(
            ["-m", two_replicas.__name__, name, *arguments],
            ROOT,
            os.environ
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            | {"RANK": str(rank), "WORLD_SIZE": str(size)},
        )
        for rank, name in enumerate(names)
    ]
    for process in started:
        _, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
    return [torch.load(name) for name in names]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process trains."""
    return trained(tmp_path_factory.mktemp("alone"), 1)[0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_train_as_one_does(
    tmp_path: Path, alone: dict[str, Any], size: int
) -> None:
    first, *others = trained(tmp_path, size)
    for name, weight in alone["model"].items():
        torch.testing.assert_close(first["model"][name], weight, rtol=1e-5, atol=1e-6)
        assert all(torch.equal(other["model"][name], first["model"][name]) for other in others)
    torch.testing.assert_close(first["metrics"], alone["metrics"], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_another_number_of_processes_goes_on(tmp_path: Path, alone: dict[str, Any]) -> None:
    stopped = tmp_path / "stopped.pt"
    torch.save(trained(tmp_path, 3, "--stop")[0]["state"], stopped)
    again = trained(tmp_path, 2, str(stopped))[0]
    torch.testing.assert_close(again["metrics"], alone["metrics"][-2:], rtol=1e-5, atol=1e-6)
