"""The training loop against what torch itself does, and its random state."""

import copy
import io
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.utils import counters

from repdyn.errors import UserError
from repdyn.settings.schema import OptimConfig
from repdyn.training.loop import (
    Epoch,
    Trainer,
    TrainingData,
    augmented,
    check_optimizer,
    evaluate,
    make_optimizer,
    pick_device,
)
from tests.support.networks import Residual


def data(n: int = 50, noisy: int = 10) -> TrainingData:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, 4, 4), generator=g, dtype=torch.uint8)
    labels = torch.randint(0, 3, (n,), generator=g)
    scaled = images.float() / 255
    return TrainingData(
        images=images,
        labels=labels,
        noisy=torch.arange(n) < noisy,
        test_images=images[:20],
        test_labels=labels[:20],
        mean=scaled.mean().reshape(1),
        std=scaled.std().reshape(1),
    )


def model(seed: int = 0) -> Residual:
    torch.manual_seed(seed)
    return Residual()


def run(
    net: nn.Module, epochs: int = 3, set_: TrainingData | None = None, **how: Any
) -> list[Epoch]:
    augment = how.pop("augment", "none")
    config = OptimConfig(**({"lr": 0.05} | how))
    loop = Trainer(net, set_ or data(), config, epochs=epochs, batch_size=16, augment=augment)
    return list(loop)


def test_epoch_zero_is_the_initial_model() -> None:
    net, set_ = model(), data()
    before = evaluate(net, set_, set_.test_images, set_.test_labels)
    first = next(iter(Trainer(net, set_, OptimConfig(lr=0.1), epochs=1, batch_size=16)))
    assert (first.epoch, first.test_loss, first.test_acc) == (0, *before)


def test_one_epoch_equals_a_plain_loop_over_the_same_batches() -> None:
    net, set_ = model(), data()
    twin = copy.deepcopy(net).train()
    run(net, epochs=1, set_=set_)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    for batch in order.split(16):
        x = (set_.images[batch].float() / 255 - set_.mean) / set_.std
        optimizer.zero_grad()
        F.cross_entropy(twin(x), set_.labels[batch]).backward()
        optimizer.step()
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # inductor's own
@pytest.mark.skipif(which("c++") is None, reason="torch.compile needs a compiler")
def test_compiled_training_is_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled indeed, ends at the same weights, and its state has the model's own names."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    counters["stats"].clear()
    plain, compiled = model(), model()
    expected, found = run(plain, epochs=2), run(compiled, epochs=2, compile=True)
    assert counters["stats"]["unique_graphs"] > 0
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    for ours, theirs in zip(compiled.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert [e.train_acc for e in found] == pytest.approx([e.train_acc for e in expected])
    torch.compiler.reset()


def test_the_training_set_can_be_fit() -> None:
    torch.manual_seed(0)
    epochs = run(Residual(channels=16), epochs=150, lr=0.01, opt="adam")
    assert epochs[-1].train_acc > 0.95
    assert epochs[-1].train_loss < epochs[0].train_loss


def test_accuracies_of_clean_and_noisy_examples_make_up_the_whole() -> None:
    epoch = run(model(), epochs=1)[-1]
    together = (40 * epoch.train_acc_clean + 10 * epoch.train_acc_noisy) / 50
    assert together == pytest.approx(epoch.train_acc)


def test_without_noise_there_is_no_noisy_accuracy() -> None:
    epoch = run(model(), epochs=1, set_=data(noisy=0))[-1]
    assert np.isnan(epoch.train_acc_noisy)
    assert "train/acc_noisy" not in epoch.metrics()


def test_a_loss_that_is_no_number_is_among_the_metrics() -> None:
    epoch = run(model(), epochs=1, lr=1e30)[-1]
    assert np.isnan(epoch.metrics()["train/loss"])


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    losses = [[e.train_loss for e in run(model(), seed=s, augment="flip")] for s in (0, 0, 1)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_cosine_ends_near_zero_and_constant_stays() -> None:
    cosine = [e.lr for e in run(model(), epochs=4, schedule="cosine")][1:]
    assert cosine == pytest.approx([0.05 * (1 + np.cos(np.pi * e / 4)) / 2 for e in range(4)])
    assert {e.lr for e in run(model(), epochs=4)} == {0.05}


def test_a_warm_up_comes_before_either_schedule() -> None:
    rates = [e.lr for e in run(model(), epochs=6, warmup_epochs=2, schedule="cosine")][1:]
    cosine = [0.05 * (1 + np.cos(np.pi * e / 4)) / 2 for e in range(4)]
    assert rates[2:] == pytest.approx(cosine)
    assert 0 < rates[0] < rates[1] < 0.05
    assert [e.lr for e in run(model(), epochs=4, warmup_epochs=2)][1:] == [*rates[:2], 0.05, 0.05]


def test_a_last_batch_of_one_image_is_left_out() -> None:
    epoch = run(model(), epochs=1, set_=data(n=33))[-1]
    assert epoch.train_acc * 32 == pytest.approx(round(epoch.train_acc * 32))


def test_evaluation_restores_the_mode() -> None:
    net, set_ = model().train(), data()
    evaluate(net, set_, set_.test_images, set_.test_labels)
    assert net.training


def test_bf16_trains() -> None:
    epochs = run(model(), epochs=40, precision="bf16", lr=0.01, opt="adam")
    assert epochs[-1].train_loss < epochs[1].train_loss


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4).repeat(400, 1, 1, 1)
    out = augmented(images, "flip", torch.Generator().manual_seed(0))
    mirrored = (out == images.flip(3)).flatten(1).all(dim=1)
    same = (out == images).flatten(1).all(dim=1)
    assert bool((mirrored ^ same).all())
    assert 150 < int(mirrored.sum()) < 250


def test_crop_flip_shifts_by_up_to_an_eighth_and_fills_with_zeros() -> None:
    images = torch.full((200, 1, 16, 16), 9, dtype=torch.uint8)
    out = augmented(images, "crop-flip", torch.Generator().manual_seed(0))
    assert out.shape == images.shape
    blank_rows = (out == 0).all(dim=3).sum(dim=2).squeeze(1)
    assert set(blank_rows.tolist()) == {0, 1, 2}


def test_no_augmentation_is_the_identity() -> None:
    images = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    assert augmented(images, "none", torch.Generator()) is images


@pytest.mark.parametrize("opt", ["sgd", "adam", "adamw", "lion", "muon", "lamb"])
def test_timms_optimizers_take_a_step(opt: str) -> None:
    net = model()
    optimizer = make_optimizer(net, OptimConfig(opt=opt, lr=0.01))
    before = net.head.weight.detach().clone()
    net(torch.randn(4, 1, 4, 4)).sum().backward()
    optimizer.step()
    assert not torch.equal(before, net.head.weight)


def test_an_unknown_optimizer_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"adamm.*adam"):
        check_optimizer(OptimConfig(opt="adamm"))


def test_an_optimizer_of_second_order_is_refused() -> None:
    with pytest.raises(UserError, match="second derivatives"):
        check_optimizer(OptimConfig(opt="adahessian"))


def test_epsilon_is_the_optimizers_where_it_has_one() -> None:
    for opt, default in (("adam", 1e-8), ("adamw", 1e-8)):
        assert make_optimizer(model(), OptimConfig(opt=opt, lr=0.01)).defaults["eps"] == default
        given = make_optimizer(model(), OptimConfig(opt=opt, lr=0.01, eps=1e-3))
        assert {group["eps"] for group in given.param_groups} == {1e-3}


@pytest.mark.parametrize("opt", ["sgd", "lion"])
def test_epsilon_of_an_optimizer_that_has_none_is_refused(opt: str) -> None:
    with pytest.raises(UserError, match=rf"^eps 0.001: {opt} has no epsilon"):
        check_optimizer(OptimConfig(opt=opt, eps=1e-3))


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(UserError, match=r"^device cuda: .*cpu"):
        pick_device("cuda")


class StopError(Exception):
    pass


def trainer(net: nn.Module, config: OptimConfig) -> Trainer:
    return Trainer(net, data(), config, epochs=4, batch_size=16, augment="crop-flip")


@pytest.mark.parametrize("settings", [{"opt": "sgd"}, {"opt": "adamw", "schedule": "cosine"}])
@pytest.mark.parametrize("steps", [1, 4, 6, 13])
def test_training_goes_on_from_any_step_as_if_never_stopped(
    settings: dict[str, Any], steps: int
) -> None:
    config = OptimConfig(lr=0.05, **settings)
    whole_net = model()
    whole = list(trainer(whole_net, config))

    net = model()
    first, done = trainer(net, config), 0

    def stop() -> None:
        nonlocal done
        done += 1
        if done == steps:
            raise StopError

    first.after_step = stop
    with pytest.raises(StopError):
        list(first)
    kept = io.BytesIO()
    torch.save(first.state(), kept)

    kept.seek(0)
    again = model(seed=9)
    second = trainer(again, config)
    second.load_state(torch.load(kept, weights_only=True))
    rest = list(second)
    assert [e.metrics() for e in rest] == [e.metrics() for e in whole[-len(rest) :]]
    assert rest[-1].epoch == 4
    for ours, theirs in zip(again.parameters(), whole_net.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_state_taken_between_epochs_is_that_of_the_next() -> None:
    config = OptimConfig(lr=0.05)
    loop = trainer(model(), config)
    epochs = iter(loop)
    assert [next(epochs).epoch for _ in range(3)] == [0, 1, 2]
    again = trainer(model(1), config)
    again.load_state(copy.deepcopy(loop.state()))
    assert next(iter(again)).metrics() == next(epochs).metrics()


def test_the_state_of_another_model_is_refused() -> None:
    state = trainer(model(), OptimConfig(lr=0.05)).state()
    with pytest.raises(RuntimeError):
        Trainer(nn.Linear(2, 2), data(), OptimConfig(lr=0.05), epochs=1, batch_size=16).load_state(
            state
        )


def test_the_first_step_whose_loss_is_not_finite_is_told() -> None:
    fine, broken, still_broken = run(model(), epochs=2, lr=1e38)
    assert (fine.finite, fine.bad_step) == (True, None)
    # the first step's loss is that of the initial model
    assert (broken.finite, broken.bad_step) == (False, 2)
    assert (still_broken.finite, still_broken.bad_step) == (False, 1)
