"""Models adapted to small images, and their watched layers."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from repdyn.errors import UserError
from repdyn.models import build, family, patch_size
from repdyn.settings.schema import ModelConfig


def built(arch: str, size: int = 32, channels: int = 3, **how: Any) -> Any:
    """Return a model; torch's types do not know the parts of those of timm."""
    torch.manual_seed(0)
    return build(ModelConfig(arch=arch, **how), image_size=size, channels=channels, classes=10)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_resnet18_on_small_images_is_the_cifar_resnet18() -> None:
    """11,173,962 parameters: the widely used CIFAR-10 ResNet-18 with a 3×3 stem."""
    model = built("resnet18")
    assert count(model) == 11_173_962
    assert model.conv1.stride == (1, 1)
    assert (
        model.layer1(model.act1(model.bn1(model.conv1(torch.zeros(1, 3, 32, 32))))).shape[2] == 32
    )


def test_resnet18_on_large_images_is_timms() -> None:
    assert count(built("resnet18", size=96)) == count(timm.create_model("resnet18", num_classes=10))


@pytest.mark.parametrize("arch", ["resnet18", "resnet18d", "resnet50", "seresnet18"])
@pytest.mark.parametrize("size", [32, 96])
def test_width_scales_every_stage_of_a_resnet_and_its_stem(arch: str, size: int) -> None:
    if not timm.is_model(arch):
        pytest.skip("this timm has no such model")
    whole, quarter = built(arch, size), built(arch, size, width=0.25)
    for name, module in whole.named_modules():
        if isinstance(module, nn.BatchNorm2d) and name in dict(quarter.named_modules()):
            assert quarter.get_submodule(name).num_features == module.num_features // 4, name
    assert count(whole) / count(quarter) == pytest.approx(16, rel=0.1)


def test_width_one_is_the_model_without_width() -> None:
    whole, one = built("resnet18"), built("resnet18", width=1.0)
    assert [p.shape for p in whole.parameters()] == [p.shape for p in one.parameters()]


def test_a_vit_gets_the_image_size_and_about_64_tokens() -> None:
    model = built("vit_tiny_patch16_224")
    assert model.patch_embed.num_patches == 64
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(("size", "patch"), [(8, 1), (28, 4), (32, 4), (64, 8), (224, 28)])
def test_patch_sizes_divide_the_image(size: int, patch: int) -> None:
    assert patch_size(size) == patch


def test_width_scales_the_embedding_and_keeps_the_heads() -> None:
    whole, quarter = built("vit_tiny_patch16_224"), built("vit_tiny_patch16_224", width=0.25)
    assert (whole.embed_dim, quarter.embed_dim) == (192, 48)
    assert quarter.blocks[0].attn.num_heads == whole.blocks[0].attn.num_heads


def test_arch_args_win_over_the_adaptation() -> None:
    model = built("vit_tiny_patch16_224", size=8, arch_arg=("patch_size=2", "depth=3"))
    assert model.patch_embed.num_patches == 16
    assert len(model.blocks) == 3


def test_resnets_start_without_zeroed_batch_norms() -> None:
    model = built("resnet18")
    assert all(bool((block.bn2.weight == 1).all()) for block in model.layer1)
    zeroed = built("resnet18", arch_arg=("zero_init_last=True",))
    assert all(bool((block.bn2.weight == 0).all()) for block in zeroed.layer1)


def test_the_seed_fixes_the_weights() -> None:
    a, b = built("resnet18", width=0.25), built("resnet18", width=0.25)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(
    ("arch", "expected"),
    [("resnet50", "resnet"), ("vit_tiny_patch16_224", "vit"), ("convnext_atto", "other")],
)
def test_families(arch: str, expected: str) -> None:
    assert family(arch) == expected


def test_an_unknown_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"resnet81.*resnet18"):
        family("resnet81")


@pytest.mark.parametrize(
    ("arch", "size", "how"),
    [
        ("resnet18", 32, {"arch_arg": ("no_such_argument=1",)}),
        ("mixer_s16_224", 32, {}),
        ("convnext_atto", 32, {"width": 0.5}),
        ("vit_tiny_patch16_224", 32, {"arch_arg": ("patch_size=5", "num_heads=7")}),
    ],
)
def test_what_timm_cannot_build_is_one_line_that_names_the_model(
    arch: str, size: int, how: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=arch) as caught:
        built(arch, size, **how)
    assert "\n" not in str(caught.value)
