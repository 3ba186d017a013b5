import pytest
import torch

from repdyn.integrations.metric_names import our_name, renamed


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("loss", "train/loss"),
        ("train_loss", "train/loss"),
        ("train/loss", "train/loss"),
        ("train_loss_epoch", "train/loss"),
        ("Train.Loss", "train/loss"),
        ("val_loss", "test/loss"),
        ("eval_loss", "test/loss"),
        ("valid/accuracy", "test/acc"),
        ("eval_accuracy", "test/acc"),
        ("test_acc", "test/acc"),
        ("val_top1", "test/acc"),
        ("train_accuracy_noisy", "train/acc_noisy"),
        ("lr", "lr"),
        ("val_f1", "val_f1"),
        ("grad_norm", "grad_norm"),
        ("accuracy", "accuracy"),
    ],
)
def test_names_that_others_give_are_ours(theirs: str, ours: str) -> None:
    assert our_name(theirs) == ours


def test_what_is_no_number_is_left_out() -> None:
    found = renamed({"val_acc": torch.tensor(0.5), "a": "text", "b": torch.ones(2), "c": 3})
    assert found == {"test/acc": 0.5, "c": 3.0}
