"""Layers selected by name, glob or path, and what is too large to be watched unasked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from repdyn.dry_pass import check_layers
from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.layers import choose_layers, watched_layers

X = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.act, self.b = nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.b(self.act(self.a(x)))
        return y


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks = nn.Linear(6, 6), nn.ModuleList(Block() for _ in range(3))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.head(x)
        return y


class Wrapper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


SELECTED: dict[str, tuple[str | Sequence[str], list[str]]] = {
    "all": ("", ["stem", "blocks.0", "blocks.1", "blocks.2", "logits"]),
    "an empty list": ([], ["stem", "blocks.0", "blocks.1", "blocks.2", "logits"]),
    "an expression": (r"s\.[01]", ["blocks.0", "blocks.1"]),
    "names, in the order in which they run": (["logits", "stem"], ["stem", "logits"]),
    "a glob of layers": (["blocks.*"], ["blocks.0", "blocks.1", "blocks.2"]),
    "a glob of other modules": (["blocks.*.a"], ["blocks.0.a", "blocks.1.a", "blocks.2.a"]),
    "a path": (["blocks.1", "blocks.0.act"], ["blocks.0.act", "blocks.1"]),
    "a path in place of an expression": ("blocks.0.act", ["blocks.0.act"]),
}


@pytest.mark.parametrize("kind", SELECTED)
@pytest.mark.parametrize("inputs", [X, None], ids=["with inputs", "without"])
@pytest.mark.parametrize("prefix", ["", "net."], ids=["a model", "within a wrapper"])
def test_layers_are_selected_by(kind: str, inputs: Tensor | None, prefix: str) -> None:
    asked, names = SELECTED[kind]
    layers = watched_layers(Wrapper() if prefix else Net(), asked, inputs)
    assert [layer.name for layer in layers] == names
    assert [layer.module for layer in layers] == [
        "" if name == "logits" else prefix + name for name in names
    ]


def test_the_full_path_within_a_wrapper_names_a_layer_too() -> None:
    (layer,) = watched_layers(Wrapper(), ["net.blocks.1"], X)
    assert (layer.name, layer.module) == ("net.blocks.1", "net.blocks.1")


def test_a_list_of_modules_that_does_not_run_stands_for_what_it_holds() -> None:
    found = [layer.name for layer in watched_layers(Net(), ["blocks"], X)]
    assert found == ["blocks.0", "blocks.1", "blocks.2"]


@pytest.mark.parametrize("asked", ["nothing_here", ["stem", "nothing_here"], ["nothing_here.*"]])
def test_what_matches_nothing_is_one_line_that_lists_what_there_is(asked: str | list[str]) -> None:
    with pytest.raises(UserError, match=r"^[^\n]*nothing_here[^\n]* stem, blocks\.0, .*, logits$"):
        watched_layers(Net(), asked, X)


class Wide(nn.Module):
    """Its output has 2^22 + 1024 values per input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 2**10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.first(x))[:, None].expand(-1, 2**12 + 1, -1)
        return y


def test_a_very_large_layer_is_watched_only_if_it_is_asked_for() -> None:
    choice = choose_layers(Wide(), inputs=X)
    assert [layer.name for layer in choice.layers] == ["first", "last"]
    assert (
        choice.notice
        == "layers not watched: logits (returns 4,195,328 values per input, more than 4,194,304)"
    )
    assert [layer.name for layer in watched_layers(Wide(), ["logits"], X)] == ["logits"]
    assert [layer.name for layer in watched_layers(Wide(), "logits", X)] == ["logits"]


def test_a_model_of_which_nothing_can_be_watched() -> None:
    class Silent(Net):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum()

    with pytest.raises(UserError, match=r"no layer can be watched: .*does not run"):
        watched_layers(Silent(), inputs=X)


def untouched(model: nn.Module) -> bool:
    return all(
        module.training and not module._forward_hooks and not module._forward_pre_hooks
        for module in model.modules()
    )


def test_the_passes_leave_model_and_chance_as_they_were() -> None:
    model, before = Net().train(), torch.get_rng_state()
    choose_layers(model, inputs=X)
    assert untouched(model)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.is_grad_enabled()


def test_a_model_that_fails_is_left_as_it_was() -> None:
    model = Net().train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        choose_layers(model, inputs=X[:, :2])
    assert untouched(model)


def test_inputs_by_name_and_how_the_model_is_called() -> None:
    by_name = choose_layers(Net(), inputs={"x": X}).layers
    called = choose_layers(Net(), inputs={"other": X}, forward=lambda m, batch: m(batch["other"]))
    assert by_name == called.layers == choose_layers(Net(), inputs=X).layers
    check_layers(Net(), by_name, {"x": X})
    check_layers(Net(), by_name, {"other": X}, forward=lambda m, batch: m(batch["other"]))


def test_a_wrong_batch_axis_is_refused_before_measuring() -> None:
    layer = Layer("first", "blocks.0", batch_axis=1)
    with pytest.raises(
        UserError, match=r"^layer first: axis 1 of its output .* not the batch of 2"
    ):
        check_layers(Net(), [layer], X)
