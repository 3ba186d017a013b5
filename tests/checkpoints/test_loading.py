from typing import Any

import pytest
import torch
from torch import nn

from repdyn.checkpoints import Checkpoint, load_weights
from repdyn.errors import UserError


def model(width: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def message(network: nn.Module, weights: Any, **options: bool) -> str:
    with pytest.raises(UserError) as error:
        load_weights(network, Checkpoint(5, weights, "step5.pt"), **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_weights_are_loaded() -> None:
    saved, network = model().state_dict(), model()

    load_weights(network, Checkpoint(5, saved, "step5.pt"))

    for name, value in network.state_dict().items():
        assert torch.equal(value, saved[name])


def test_weights_that_are_not_finite_are_loaded() -> None:
    network = nn.Linear(2, 1, bias=False)

    load_weights(network, {"weight": torch.tensor([[torch.nan, 1.0]])})

    assert network.weight[0, 0].isnan()


def test_another_architecture() -> None:
    saved = model().state_dict()

    assert message(model(4), saved) == (
        "step5.pt: does not match the model: "
        "6 of 7 shapes differ (0.weight: (3, 2), the model's is (4, 2))"
    )
    assert message(nn.Linear(2, 3), saved) == (
        "step5.pt: does not match the model: 2 missing (weight, bias), 7 unexpected "
        "(0.weight, 0.bias, 1.weight, 1.bias and 3 more); "
        "give strip_prefix='0.'"
    )
    del saved["1.bias"]
    assert message(model(), saved) == "step5.pt: does not match the model: 1 missing (1.bias)"


def test_a_shape_that_differs_beside_other_names() -> None:
    saved = model(4).state_dict()
    saved["x"] = saved.pop("0.bias")

    assert message(model(), saved).endswith(
        "5 of 7 shapes differ (0.weight: (4, 2), the model's is (3, 2)), "
        "1 missing (0.bias), 1 unexpected (x)"
    )


def test_not_strict_accepts_other_names_but_no_other_shapes() -> None:
    saved = model().state_dict()
    saved["head"] = saved.pop("0.bias")
    network = model()

    load_weights(network, saved, strict=False)

    assert torch.equal(network.state_dict()["0.weight"], saved["0.weight"])
    assert "shapes differ" in message(model(4), saved, strict=False)
    assert "1 unexpected (head)" in message(model(), {"head": torch.ones(1)}, strict=False)


def test_what_is_no_tensor_is_no_weight() -> None:
    said = message(nn.Linear(2, 1), {"weight": "no"})

    assert "expected torch.Tensor or Tensor-like object from checkpoint but received" in said


def test_tied_weights_may_be_saved_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 2)
            self.head = nn.Linear(2, 5, bias=False)
            self.head.weight = self.embed.weight

    network = Tied()

    load_weights(network, {"embed.weight": torch.ones(5, 2)})

    assert network.head.weight.sum() == 10
    assert "2 missing" in message(Tied(), {})


def test_extra_state_is_not_missed() -> None:
    class Extra(nn.Linear):
        def get_extra_state(self) -> object:
            return "anything"

        def set_extra_state(self, state: object) -> None:
            raise AssertionError

    load_weights(Extra(2, 1), nn.Linear(2, 1).state_dict())


def test_names_that_a_model_of_hugging_face_ignores() -> None:
    network = nn.Linear(2, 1)
    saved = network.state_dict() | {
        "a.attention.bias": torch.ones(1),
        "rotary_emb.inv_freq": torch.ones(1),
    }

    assert "2 unexpected" in message(network, saved)
    network._keys_to_ignore_on_load_unexpected = [r"attention.bias"]  # type: ignore[assignment]  # as transformers sets it
    load_weights(network, saved)


def test_parameters_of_lazy_modules_take_the_saved_shape() -> None:
    network = nn.LazyLinear(3)

    load_weights(network, nn.Linear(2, 3).state_dict())

    assert network.weight.shape == (3, 2)
