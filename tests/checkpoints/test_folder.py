import gc
import json
import os
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from repdyn.checkpoints import from_folder
from repdyn.errors import UserError


def saved(path: Path, value: float = 0.0) -> Path:
    """Save one weight of this value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {"w": torch.tensor([value])}
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def message(folder: Path, pattern: str | None = None) -> str:
    with pytest.raises(UserError) as error:
        from_folder(folder, pattern)
    text = str(error.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "form",
    [
        "step{}.pt",
        "ckpt_{}.pth",
        "checkpoint-{}.pth.tar",
        "epoch={}.ckpt",
        "{}.safetensors",
        "checkpoint-{}/model.safetensors",
        "step{}/pytorch_model.bin",
    ],
)
def test_checkpoints_in_order_of_their_steps(tmp_path: Path, form: str) -> None:
    for step in (100, 20, 3):
        saved(tmp_path / form.format(step), step)

    source = from_folder(tmp_path)

    assert source.steps == (3, 20, 100)
    assert [(one.step, one.weights["w"].item(), one.name) for one in source] == [
        (step, step, form.format(step)) for step in (3, 20, 100)
    ]


@pytest.mark.parametrize(
    ("form", "unit"),
    [
        ("epoch{}.pt", "epoch"),
        ("epoch=1-step={}.ckpt", "step"),
        ("checkpoint-{}.pth.tar", "epoch"),
        ("checkpoint-{}/model.safetensors", "step"),
        ("{}.pt", "step"),
    ],
)
def test_unit_from_the_names(tmp_path: Path, form: str, unit: str) -> None:
    saved(tmp_path / form.format(1))

    assert from_folder(tmp_path).unit == unit
    assert from_folder(tmp_path, unit="tokens").unit == "tokens"


def test_files_that_are_not_numbered_checkpoints_are_skipped(tmp_path: Path) -> None:
    for name in (
        *("checkpoint-0.pth.tar", "checkpoint-1.pth.tar"),
        *("last.pth.tar", "model_best.pth.tar", "averaged.pth.tar", "recovery-1-500.pth.tar"),
    ):
        saved(tmp_path / name)
    (tmp_path / "args.yaml").touch()

    source = from_folder(tmp_path)

    assert source.steps == (0, 1)
    assert source.description == (
        f"{tmp_path}, skipped averaged.pth.tar, last.pth.tar, model_best.pth.tar, "
        "recovery-1-500.pth.tar"
    )


def test_folders_of_trainer(tmp_path: Path) -> None:
    log = [{"step": 5, "loss": 2.0}]
    for step in (5, 10):
        home = tmp_path / f"checkpoint-{step}"
        saved(home / "model.safetensors", step)
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth"):
            saved(home / name)
        saved(home / "training_args.bin")
        log = [*log, {"step": step, "eval_accuracy": step / 20}]
        (home / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    saved(tmp_path / "model.safetensors")

    source = from_folder(tmp_path)

    assert source.steps == (5, 10)
    assert source.metrics == {
        5: {"train/loss": 2.0, "test/acc": 0.25},
        10: {"test/acc": 0.5},
    }


@pytest.mark.parametrize(
    "name",
    ["optim_{:06}_rank0.pt", "optimizer-{}.pt", "scheduler{}.pt", "mp_rank_00_{}_optim_states.pt"],
)
def test_states_of_optimizers_are_no_checkpoints(tmp_path: Path, name: str) -> None:
    for step in (10, 20):
        saved(tmp_path / name.format(step))
        saved(tmp_path / f"model_optimizer_adam_{step}.pt")

    assert [one.name for one in from_folder(tmp_path)] == [
        "model_optimizer_adam_10.pt",
        "model_optimizer_adam_20.pt",
    ]


def test_the_summary_of_timm_gives_the_curves(tmp_path: Path) -> None:
    saved(tmp_path / "checkpoint-0.pth.tar")
    (tmp_path / "summary.csv").write_text("epoch,train_loss,eval_top1\n0,2.0,50\n")

    assert from_folder(tmp_path).metrics == {0: {"train/loss": 2.0, "test/acc": 0.5}}


def test_safetensors_are_preferred_and_shards_need_an_index(tmp_path: Path) -> None:
    saved(tmp_path / "step1" / "pytorch_model.bin", 1)
    saved(tmp_path / "step1" / "model.safetensors", 2)
    for step, shard in ((2, "model-00001-of-00001.safetensors"), (3, "model.safetensors")):
        saved(tmp_path / f"step{step}" / shard, step)
    (tmp_path / "step2" / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"w": "model-00001-of-00001.safetensors"}})
    )

    assert [one.weights["w"].item() for one in from_folder(tmp_path)] == [2, 2, 3]


def test_a_pattern_selects_and_names_the_step(tmp_path: Path) -> None:
    for name in ("a_1_fold2.pt", "a_3_fold2.pt", "b_1.pt"):
        saved(tmp_path / name)

    assert from_folder(tmp_path, "b_*").steps == (1,)
    assert from_folder(tmp_path, r"a_(?P<step>\d+)_").steps == (1, 3)


def test_key_and_prefix(tmp_path: Path) -> None:
    torch.save({"ema": {"net.w": torch.ones(1)}, "model": {}}, tmp_path / "step1.pt")

    source = from_folder(tmp_path, key="ema", strip_prefix="net.")

    assert [set(one.weights) for one in source] == [{"w"}]


def test_links_are_followed(tmp_path: Path) -> None:
    saved(tmp_path / "blobs" / "x" / "deep" / "far" / "1f", 1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "step1.pt").symlink_to(tmp_path / "blobs" / "x" / "deep" / "far" / "1f")
    (tmp_path / "run" / "loop").symlink_to(tmp_path / "run")
    (tmp_path / "linked").symlink_to(tmp_path / "run")

    source = from_folder(tmp_path / "linked", "step1.pt")

    assert [one.weights["w"].item() for one in source] == [1]


def test_damaged_files_are_found_when_their_turn_comes(tmp_path: Path) -> None:
    saved(tmp_path / "step1.pt")
    (tmp_path / "step2.pt").write_bytes(b"")
    (tmp_path / "step3.pt").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "step4.pt")

    source = from_folder(tmp_path)

    assert next(iter(source)).step == 1
    for step, said in ((2, "is empty"), (3, "No such file"), (4, "is a pipe")):
        with pytest.raises(UserError, match=rf"step{step}\.pt: .*{said}"):
            list(source.only([step]))


def test_weights_are_freed_before_the_next_are_read(tmp_path: Path) -> None:
    for step in range(3):
        saved(tmp_path / f"step{step}.pt")
    before: list[weakref.ref[Tensor]] = []

    for checkpoint in from_folder(tmp_path):
        before.append(weakref.ref(checkpoint.weights["w"]))
        del checkpoint
        gc.collect()
        assert before[-1]() is None


def test_folders_without_checkpoints(tmp_path: Path) -> None:
    assert message(tmp_path / "gone").endswith("there is no such folder")
    assert message(tmp_path).endswith(
        "has no checkpoints (.pth.tar .safetensors .pt .pth .bin .ckpt); it is empty"
    )
    for name in "abcdef":
        (tmp_path / f"{name}.txt").touch()
    assert message(tmp_path).endswith("it holds a.txt, b.txt, c.txt, d.txt and 2 more")
    assert message(tmp_path / "a.txt").endswith("is a file; give the folder of the checkpoints")
    saved(tmp_path / "last.pt")
    assert "no number in the names last.pt" in message(tmp_path)
    assert "no name matches step*; names there: last.pt" in message(tmp_path, "step*")


def test_two_checkpoints_of_a_step(tmp_path: Path) -> None:
    saved(tmp_path / "step1.pt")
    saved(tmp_path / "step01.pt")

    assert "step01.pt and step1.pt both are step 1; select one by pattern" in message(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    saved(tmp_path / "step1" / "a.pt")
    (tmp_path / "step1").chmod(0)

    try:
        assert "cannot be read (Permission denied)" in message(tmp_path)
    finally:
        (tmp_path / "step1").chmod(0o700)


def test_names_that_break_lines_are_not_shown(tmp_path: Path) -> None:
    saved(tmp_path / "step1\n.pt")
    torch.save({"a\nb": 1, "c": 2}, tmp_path / "step2.pt")

    source = from_folder(tmp_path)

    assert source.steps == (2,)
    with pytest.raises(UserError, match=r"keys there: a\?b, c"):
        list(source)
