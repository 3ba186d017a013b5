"""Which layers are watched, how they are laid out, and which are left out and why."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.layers import choose_layers, watched_layers
from repdyn.measures.features import all_features, pooled
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Recorder
from repdyn.models import build
from repdyn.settings.schema import MeasureConfig, ModelConfig
from tests.support.networks import Mlp


def built(arch: str, size: int = 32, channels: int = 3, **how: Any) -> nn.Module:
    torch.manual_seed(0)
    return build(ModelConfig(arch=arch, **how), image_size=size, channels=channels, classes=10)


def test_the_watched_layers_of_a_resnet() -> None:
    names = [layer.name for layer in watched_layers(built("resnet18", width=0.25))]
    blocks = [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]
    assert names == ["stem", *blocks, "logits"]


def test_the_watched_layers_of_a_vit() -> None:
    layers = watched_layers(built("vit_tiny_patch16_224", width=0.25))
    assert [a.name for a in layers] == [
        "patch_embed",
        *(f"blocks.{i}" for i in range(12)),
        "logits",
    ]
    assert [a.prefix_tokens for a in layers] == [0, *[1] * 12, 0]


@pytest.mark.parametrize(
    ("arch", "some", "number"),
    [("convnext_atto", "stages.2.blocks.5", 14), ("efficientnet_b0", "blocks.1.1", 18)],
)
def test_the_watched_layers_of_others_are_the_children_of_their_containers(
    arch: str, some: str, number: int
) -> None:
    names = [layer.name for layer in watched_layers(built(arch))]
    assert some in names
    assert len(names) == number
    assert names[-1] == "logits"


def test_any_module_has_its_children_with_parameters_and_its_output() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert [layer.name for layer in watched_layers(model)] == ["0", "2", "logits"]


def test_a_pattern_chooses_layers() -> None:
    names = [a.name for a in watched_layers(built("resnet18", width=0.25), r"layer4|logits")]
    assert names == ["layer4.0", "layer4.1", "logits"]


def test_a_pattern_that_finds_nothing_names_what_there_is() -> None:
    with pytest.raises(UserError, match=r"nothing_here.*stem.*layer4\.1"):
        watched_layers(built("resnet18", width=0.25), "nothing_here")


POOLED_BY_HAND: dict[str, Callable[[Tensor], Tensor]] = {
    "NC": lambda x: x,
    "NCHW": lambda x: x.mean(dim=(2, 3)),
    "NHWC": lambda x: x.mean(dim=(1, 2)),
    "NTC": lambda x: x.mean(dim=1),
    "N1C": lambda x: x[:, 0],
    "N(1+T)C": lambda x: torch.cat([x[:, 0], x[:, 1:].mean(dim=1)], dim=1),
    "N(2+T)C": lambda x: torch.cat([x[:, 0], x[:, 1], x[:, 2:].mean(dim=1)], dim=1),
    "N(5+T)C": lambda x: torch.cat([x[:, :5].flatten(1), x[:, 5:].mean(dim=1)], dim=1),
}


@dataclass(frozen=True)
class Case:
    """A model, what some of its layers return, (axes, number of pooled features), and what is missing.

    The axes are those that the model's own code documents.
    """

    make: Callable[[], nn.Module]
    size: int
    layers: dict[str, tuple[str, int]]
    left_out: dict[str, str] = field(default_factory=dict)


def of_timm(arch: str, **how: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(arch, num_classes=10, **how)


CASES = {
    "cait": Case(
        of_timm("cait_xxs24_224", img_size=32, patch_size=8, depth=2),
        32,
        {
            "patch_embed": ("NTC", 192),
            "blocks.1": ("NTC", 192),
            "blocks_token_only.0": ("N1C", 192),
            "blocks_token_only.1": ("N1C", 192),
        },
    ),
    "convit": Case(
        of_timm("convit_tiny", img_size=32),
        32,
        {"blocks.9": ("NTC", 192), "blocks.10": ("N(1+T)C", 384)},
    ),
    "xcit": Case(
        of_timm("xcit_nano_12_p8_224", depth=2),
        32,
        {
            "patch_embed": ("NTC", 128),
            "blocks.0": ("NTC", 128),
            "cls_attn_blocks.0": ("N(1+T)C", 256),
        },
    ),
    "hrnet": Case(
        of_timm("hrnet_w18_small"),
        64,
        {"layer1": ("NCHW", 128), "final_layer": ("NCHW", 2048)},
        {
            "stage2": "returns a list of 2 tensors",
            "stage4": "returns a list of 4 tensors",
            "transition2.0": "does not run",
            "classifier": "repeats the output of logits",
        },
    ),
    "tnt": Case(
        of_timm("tnt_s_patch16_224", img_size=32, depth=2),
        32,
        {"blocks.0": ("N(1+T)C", 768), "blocks.1": ("N(1+T)C", 768)},
    ),
    "crossvit": Case(
        of_timm("crossvit_9_240", img_scale=(1.0, 1.0), depth=((1, 1, 0),)),
        240,
        {"blocks.0.blocks.0.0": ("N(1+T)C", 256), "blocks.0.blocks.1.0": ("N(1+T)C", 512)},
    ),
    "torchvision swin": Case(
        lambda: torchvision.models.swin_t(num_classes=10),
        96,
        {"features.0": ("NHWC", 96), "features.1.0": ("NHWC", 96), "features.7.1": ("NHWC", 768)},
    ),
    "torchvision vit": Case(
        lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=10),
        32,
        {"stem": ("N(1+T)C", 64), "encoder.layers.encoder_layer_1": ("N(1+T)C", 64)},
    ),
    "coat": Case(
        of_timm("coat_lite_tiny", img_size=32),
        32,
        {"serial_blocks1.0": ("N(1+T)C", 128), "serial_blocks4.1": ("N(1+T)C", 640)},
    ),
    "levit": Case(of_timm("levit_128s", img_size=64), 64, {"stages.1.blocks.0": ("NTC", 256)}),
    "mvit": Case(
        of_timm("mvitv2_tiny", img_size=64),
        64,
        {"patch_embed": ("NTC", 96), "stages.3.blocks.1": ("NTC", 768)},
    ),
    "pvt": Case(
        of_timm("pvt_v2_b0"), 64, {"patch_embed": ("NHWC", 32), "stages.1.blocks.0": ("NTC", 64)}
    ),
    "pit distilled": Case(
        of_timm("pit_ti_distilled_224", img_size=64),
        64,
        {"patch_embed": ("NCHW", 64), "transformers.0.blocks.0": ("N(2+T)C", 192)},
        {"head_drop": "runs 2 times per pass"},
    ),
    "vit": Case(
        of_timm("test_vit", img_size=32),
        32,
        {"patch_embed": ("NHWC", 64), "blocks.5": ("N(1+T)C", 128)},
    ),
    "vit with registers": Case(
        of_timm("vit_tiny_patch16_224", img_size=32, depth=1, reg_tokens=4),
        32,
        {"patch_embed": ("NTC", 192), "blocks.0": ("N(5+T)C", 6 * 192)},
    ),
    "deit distilled": Case(
        of_timm("deit_tiny_distilled_patch16_224", img_size=32, depth=1),
        32,
        {"blocks.0": ("N(2+T)C", 3 * 192)},
    ),
    "mixer": Case(of_timm("gmlp_ti16_224", img_size=32), 32, {"blocks.0": ("NTC", 128)}),
    "swin": Case(
        of_timm("swin_tiny_patch4_window7_224", img_size=64, window_size=2, depths=(1, 1)),
        64,
        {"patch_embed": ("NHWC", 96), "layers.1.blocks.0": ("NHWC", 192)},
    ),
    "swin with channels first at first": Case(
        of_timm("swinv2_cr_tiny_224", img_size=64, window_size=2, depths=(1, 1)),
        64,
        {"patch_embed": ("NCHW", 96), "stages.1.blocks.0": ("NHWC", 192)},
    ),
    "visformer": Case(
        of_timm("visformer_tiny", img_size=64),
        64,
        {"stage1": ("NCHW", 96), "stage3": ("NCHW", 384)},
        {"pos_drop": "runs 3 times per pass", "head": "repeats the output of logits"},
    ),
    "regnet": Case(
        of_timm("regnetx_002"),
        32,
        {"stem": ("NCHW", 32), "s4": ("NCHW", 368)},
        {"final_conv": "repeats the output of s4", "head": "repeats the output of logits"},
    ),
    "resnet": Case(of_timm("test_resnet"), 64, {"stem": ("NCHW", 32), "layer4.0": ("NCHW", 96)}),
    "convnext": Case(of_timm("test_convnext"), 64, {"stages.3.blocks.0": ("NCHW", 64)}),
    "any": Case(lambda: Mlp(3 * 8 * 8, classes=10), 8, {"first": ("NC", 12)}),
}


def outputs_of(model: nn.Module, paths: Iterable[str], images: Tensor) -> dict[str, Tensor]:
    """Return what modules return, of a tuple the tensor for each image; each must run once."""
    found: dict[str, Tensor] = {}

    def hooked(path: str) -> Callable[[nn.Module, object, Any], None]:
        def hook(_module: nn.Module, _inputs: object, output: Any) -> None:
            assert path not in found
            parts = output if isinstance(output, tuple) else [output]
            found[path] = next(part for part in parts if len(part) == len(images)).clone()

        return hook

    handles = [model.get_submodule(p).register_forward_hook(hooked(p)) for p in paths]
    with torch.no_grad():
        model.eval()(images)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("name", CASES)
def test_pooled_features_are_those_that_the_axes_say(name: str) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    model, images = case.make(), torch.randn(2, 3, case.size, case.size)
    choice = choose_layers(model, inputs=images)
    features, _ = all_features(model, choice.layers, images, reduce=pooled)
    found = {layer.name: x for layer, x in zip(choice.layers, features, strict=True)}
    assert choice.layers[-1] == Layer("logits", "")
    modules = {layer.name: layer.module for layer in choice.layers}
    outputs = outputs_of(model, modules.values(), images)
    for layer, (axes, number) in case.layers.items():
        by_hand = POOLED_BY_HAND[axes](outputs[modules[layer]])
        torch.testing.assert_close(found[layer], by_hand)
        assert found[layer].shape == (2, number)
    left_out = {left.name: left.reason for left in choice.left_out}
    assert case.left_out.items() <= left_out.items()
    assert all(layer in choice.notice for layer in case.left_out)
    assert "\n" not in choice.notice


UNCHANGED: dict[str, tuple[int, dict[str, Any]]] = {
    "test_resnet": (64, {}),
    "vit_tiny_patch16_224": (32, {"img_size": 32}),
    "test_vit3": (64, {"img_size": 64}),
    "test_convnext": (64, {}),
    "test_efficientnet": (64, {}),
    "swin_tiny_patch4_window7_224": (64, {"img_size": 64, "window_size": 2, "depths": (1, 1)}),
}


@pytest.mark.parametrize("arch", UNCHANGED)
def test_the_dry_pass_agrees_where_the_model_says_what_it_is(arch: str) -> None:
    size, how = UNCHANGED[arch]
    model = of_timm(arch, **how)()
    choice = choose_layers(model, inputs=torch.zeros(2, 3, size, size))
    assert choice.layers == tuple(
        Layer(a.name, a.module, a.prefix_tokens, 1 if a.module == "" else a.channels)
        for a in watched_layers(model)
    )
    assert choice.left_out == ()


class Square(nn.Module):
    """Height, width and channels of its layers are of one size."""

    def __init__(self, last: bool, strict: bool = False) -> None:
        super().__init__()
        self.conv, self.block = nn.Conv2d(3, 8, 1), nn.Identity()
        self.pool, self.last, self.strict = nn.AvgPool2d(2), last, strict
        self.halved, self.head = nn.Identity(), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.strict and x.shape[-1] != 8:
            raise ValueError("8 pixels only")
        x = self.conv(x)
        x = self.block(x.permute(0, 2, 3, 1).contiguous() if self.last else x + 0)
        self.halved(x[:, ::2, ::2] if self.last else x[..., ::2, ::2])
        x = x.permute(0, 3, 1, 2) if self.last else x
        y: Tensor = self.head(self.pool(x).mean(dim=(2, 3)))
        return y


@pytest.mark.parametrize("last", [False, True])
def test_of_equal_sides_wider_inputs_tell_the_channels(last: bool) -> None:
    layers = watched_layers(Square(last), ["conv", "block"], torch.randn(2, 3, 8, 8))
    assert [layer.channels for layer in layers] == [1, 3 if last else 1]


def test_of_equal_sides_and_of_a_fixed_size_the_other_layers_tell() -> None:
    model = Square(True, strict=True)
    layers = watched_layers(model, ["block", "halved"], torch.randn(2, 3, 8, 8))
    assert [layer.channels for layer in layers] == [3, 3]


def test_of_images_that_are_not_square_the_aspect_tells() -> None:
    images = torch.randn(2, 3, 16, 30)
    layers = watched_layers(Square(True), ["conv", "block", "pool", "logits"], images)
    axes = {layer.name: layer.channels for layer in layers}
    assert axes == {"conv": 1, "block": 3, "pool": 1, "logits": 1}


class Odd(nn.Module):
    """Whatever a layer can do so that it cannot be watched."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.never, self.pair = nn.Linear(4, 4), nn.Linear(4, 4), nn.LSTM(4, 4)
        self.split, self.deep, self.across = Split(), nn.Unflatten(1, (1, 2, 2)), nn.Flatten(0, 1)
        self.dropped, self.none, self.head = nn.Dropout(), Nothing(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(x.flatten(1)))
        (
            self.deep(x.unsqueeze(1).repeat(1, 4, 1)),
            self.split(x),
            self.across(x[:, None].repeat(1, 2, 1)),
            self.none(x),
        )
        x, _ = self.pair(x)
        y: Tensor = self.head(self.dropped(x))
        return y


class Split(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, x]


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> dict[str, float]:
        return {"loss": 1.0}


UNWATCHABLE = {
    "never": "does not run",
    "split": "returns a list of 2 tensors",
    "none": "returns an object of type dict",
    "deep": "returns a tensor with 5 axes, not 2 to 4",
    "across": "no axis of its output is the batch of 2 inputs",
}


def test_what_cannot_be_watched_is_left_out_with_its_reason() -> None:
    choice = choose_layers(Odd(), inputs=torch.randn(3, 4))
    assert {left.name: left.reason for left in choice.left_out} == {
        "twice": "runs 2 times per pass",
        "never": "does not run",
        "head": "repeats the output of logits",
    }
    assert [layer.name for layer in choice.layers] == ["pair", "logits"]


@pytest.mark.parametrize("name", UNWATCHABLE)
def test_asking_for_it_is_an_error_that_names_it_and_the_reason(name: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"{name} ({UNWATCHABLE[name]})")):
        watched_layers(Odd(), [name, "logits"], torch.randn(3, 4))
    if name == "never":
        with pytest.raises(UserError, match=re.escape("layers never|pair: cannot watch never")):
            watched_layers(Odd(), "never|pair", torch.randn(3, 4))


@pytest.mark.parametrize("asked", ["twice|pair", ["pair", "twice"]])
def test_of_a_layer_that_runs_again_the_last_call_is_watched_if_it_is_asked_for(
    asked: str | list[str],
) -> None:
    model, x = Odd(), torch.randn(3, 4)
    choice = choose_layers(model, asked, x)
    assert choice.notice == "run several times per pass, only the last is watched: twice"
    assert [(layer.name, layer.reused) for layer in choice.layers] == [
        ("twice", True),
        ("pair", False),
    ]
    (found, _), _ = all_features(model, choice.layers, x, reduce=pooled)
    with torch.no_grad():
        torch.testing.assert_close(found, model.twice(model.twice(x)))


def test_of_layers_with_one_output_the_models_or_the_first_is_watched() -> None:
    choice = choose_layers(Odd(), ["pair", "dropped", "head", "logits"], torch.randn(3, 4))
    assert {left.name: left.reason for left in choice.left_out} == {
        "dropped": "repeats the output of pair",
        "head": "repeats the output of logits",
    }
    alone = choose_layers(Odd(), ["dropped", "head"], torch.randn(3, 4))
    assert [layer.name for layer in alone.layers] == ["dropped", "head"]
    assert alone.notice == ""


class InPlace(nn.Module):
    """An in-place ReLU writes over the convolution's output: two layers in one place of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.drop = nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Dropout()
        self.zero = nn.Conv2d(4, 4, 1)
        nn.init.zeros_(self.zero.weight)
        assert self.zero.bias is not None
        nn.init.zeros_(self.zero.bias)
        self.block = Residue(self.zero)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(self.drop(self.act(self.conv(x))))
        return y.mean(dim=(2, 3))


class Residue(nn.Module):
    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y


def test_a_layer_repeats_another_by_what_it_does_and_not_by_the_numbers_of_the_moment() -> None:
    """A residual block whose branch starts at zero will differ from its input later on."""
    asked = ["conv", "act", "drop", "block"]
    choice = choose_layers(InPlace(), asked, torch.randn(2, 3, 8, 8))
    assert [left.name for left in choice.left_out] == ["drop"]
    assert [layer.name for layer in choice.layers] == ["conv", "act", "block"]


def test_in_inference_mode_the_choice_is_the_same() -> None:
    model, x = InPlace(), torch.randn(2, 3, 8, 8)
    asked = ["conv", "act", "drop", "block"]
    with torch.inference_mode():
        within = choose_layers(model, asked, x.clone())
        assert torch.is_inference_mode_enabled()
    assert within == choose_layers(model, asked, x)


class Reversed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.second, self.first = nn.Linear(4, 3), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x))
        return y.clone()


def test_layers_come_in_the_order_in_which_they_run() -> None:
    layers = watched_layers(Reversed(), inputs=torch.randn(2, 4))
    assert [layer.name for layer in layers] == ["first", "second", "logits"]


@dataclass
class Out:
    loss: Tensor
    logits: Tensor


class Returning(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.first, self.last, self.wrap = nn.Linear(4, 5), nn.Linear(5, 3), wrap

    def forward(self, x: Tensor) -> object:
        return self.wrap(self.last(self.first(x)))


LOSS = torch.tensor(1.0)
OUTPUTS: dict[str, Callable[[Tensor], object]] = {
    "a tuple": lambda x: (x, x + 1),
    "a tuple with the loss first": lambda x: (LOSS, x),
    "a mapping": lambda x: {"loss": LOSS, "logits": x},
    "an object": lambda x: Out(LOSS, x),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_output_may_be_anything_that_holds_it(kind: str) -> None:
    model, x = Returning(OUTPUTS[kind]), torch.randn(3, 4)
    choice = choose_layers(model, inputs=x)
    assert [layer.name for layer in choice.layers] == ["first", "logits"]
    (_, logits), output = all_features(model, choice.layers, x, reduce=pooled)
    with torch.no_grad():
        expected = model.last(model.first(x))
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("returned", [None, LOSS, "text"])
def test_without_an_output_the_layers_still_work(returned: object) -> None:
    model, x = Returning(lambda _: returned), torch.randn(3, 4)
    choice = choose_layers(model, inputs=x)
    assert [layer.name for layer in choice.layers] == ["first", "last"]
    assert "logits (" in choice.notice
    features, output = all_features(model, choice.layers, x, reduce=pooled)
    assert [tuple(f.shape) for f in features] == [(3, 5), (3, 3)]
    assert output is None


def test_the_dry_pass_leaves_model_and_chance_as_they_were() -> None:
    model = timm.create_model("test_resnet", drop_rate=0.5).train()
    before, weights = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    choose_layers(model, inputs=torch.randn(2, 3, 64, 64, generator=torch.Generator()))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(module.training and not module._forward_hooks for module in model.modules())


def recorder(layers: list[Layer], size: int) -> Recorder:
    g, labels = torch.Generator().manual_seed(0), np.arange(8) % 2
    images = torch.randn(8, 3, size, size, generator=g)
    data = Inputs(
        reference=images,
        labels=labels,
        train=images,
        train_labels=labels,
        given_labels=labels,
        noisy=np.zeros(8, dtype=bool),
        anchors=images[:3][None],
        fine=(),
        classes=10,
    )
    return Recorder(layers, data, MeasureConfig(grid=2, fine_planes=0))


WRONG = {
    "channels last read as first": (Square(True), Layer("block", "block"), 6, "channels=3"),
    "channels first read as last": (
        Square(False),
        Layer("block", "block", channels=3),
        6,
        "channels=1",
    ),
    "a class token that is not there": (
        of_timm("cait_xxs24_224", img_size=32, patch_size=8, depth=1)(),
        Layer("block", "blocks.0", prefix_tokens=1),
        32,
        "prefix_tokens=1",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_first_measurement_refuses_a_wrong_layout_in_one_line(name: str) -> None:
    model, layer, size, fix = WRONG[name]
    with pytest.raises(UserError, match=rf"^layer block: .*{fix}[^\n]*$"):
        recorder([layer], size).measure(model, 0)


@pytest.mark.parametrize("name", ["twice", *UNWATCHABLE])
def test_the_first_measurement_names_a_layer_that_cannot_be_watched(name: str) -> None:
    class Flat(Odd):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(1)[:, :4])

    reason = {"twice": "runs 2 times per pass", **UNWATCHABLE}[name]
    with pytest.raises(UserError, match=rf"^layer {name}: {re.escape(reason)}$"):
        recorder([Layer(name, name)], 2).measure(Flat(), 0)


class Changing(Mlp):
    """Runs its first layer as often as it is told to."""

    times = 1

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for _ in range(self.times):
            self.first(x)
        y: Tensor = self.last(x)
        return y


@pytest.mark.parametrize(("times", "reason"), [(0, "does not run"), (2, "runs more than once")])
def test_a_later_measurement_names_a_layer_that_no_longer_runs_once(
    times: int, reason: str
) -> None:
    model, ours = Changing(12, 12), recorder([Layer("first", "first")], 2)
    ours.measure(model, 0)
    model.times = times
    with pytest.raises(UserError, match=rf"^layer first: {reason}"):
        ours.measure(model, 1)


@pytest.mark.parametrize("arch", ["cait", "torchvision swin", "hrnet", "crossvit", "xcit"])
def test_what_is_chosen_can_be_measured(arch: str) -> None:
    case = CASES[arch]
    torch.manual_seed(0)
    model = case.make()
    layers = choose_layers(model, inputs=torch.zeros(2, 3, case.size, case.size)).layers
    ours = recorder(list(layers), case.size)
    assert ours.measure(model, 0).undefined == ()
    assert ours.dynamics.layers == tuple(layer.name for layer in layers)


FAMILIES = """
test_byobnet:64 cpubone_nano:64 csatv2:64
cs3darknet_focus_s:64 cspnext_tiny:64 davit_tiny:64 densenet121:64 dla46x_c:64 dpn48b:64
edgenext_xx_small:64 efficientformer_l1:224 efficientformerv2_s0:224 mnasnet_small:64
efficientvim_m1:64 efficientvit_b0:64 efficientvit_m0:224 fasternet_t0:64 fastvit_t8:64
focalnet_tiny_srf:64 gcvit_xxtiny:224 ghostnet_050:64 hgnetv2_b0:64 hiera_tiny_224:224 iformer_t:64
inception_next_atto:64 inception_v3:96 inception_v4:96 lcnetv2_small:64 lowformer_b0:64
test_mambaout:64 test_coatnet:160 test_maxvit:160 poolformerv2_s12:64 mobilenetv3_small_050:64
mobilevit_xxs:64 mobilevitv2_050:64 nest_tiny:224 nextvit_small:64 test_nfnet:64 pvt_v2_b0:64
rdnet_tiny:64 repghostnet_050:64 repvit_m1:64 resnest14d:64 resnetv2_18:64 rexnet_100:64
selecsls42:64 legacy_seresnet18:64 sequencer2d_s:224 shvit_s1:224 skresnet18:64 starnet_s050:64
swiftformer_xs:64 swinv2_tiny_window8_256:256 tiny_vit_5m_224:224 twins_svt_small:64 vgg11_bn:32
vit_tiny_r_s16_p8_224:224 test_vit_relpos:160 ese_vovnet19b_slim_dw:64 legacy_xception:96
volo_d1_224:224 convit_tiny:224 levit_conv_128s:224 coat_tiny:224 mvitv2_small_cls:224
"""


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES.split())
def test_of_each_family_every_watched_layer_runs_once_and_its_channels_are_pooled(
    family: str,
) -> None:
    """A channel count is one that the model's weights have: of spatial sides most are none."""
    arch, _, size = family.partition(":")
    torch.manual_seed(0)
    model, images = of_timm(arch)(), torch.randn(2, 3, int(size), int(size))
    sides = {side for p in model.parameters() for side in p.shape[:2]} | {1}
    choice = choose_layers(model, inputs=images)
    features, _ = all_features(model, choice.layers, images, reduce=pooled)
    assert len(choice.layers) > 1
    outputs = outputs_of(model, [layer.module for layer in choice.layers], images)
    for layer, x in zip(choice.layers, features, strict=True):
        output = outputs[layer.module]
        assert output.dim() in (2, 3, 4)
        assert len(output) == 2
        channels = x.shape[1] // (layer.prefix_tokens + 1)
        assert channels in output.shape[1:]
        assert channels in sides or any(channels == a + b for a in sides for b in sides)
        assert x.isfinite().all()
