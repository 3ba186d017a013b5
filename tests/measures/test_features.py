"""Features, pooled and flat, and precise BatchNorm."""

import torch
from torch import nn

from repdyn.layer import Layer
from repdyn.measures.features import all_features, flat, pooled, with_precise_bn
from tests.support.networks import LOGITS, Mlp, Residual


def test_pooled_maps_are_spatial_means() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(pooled(Layer("a", "a"), x), x.mean(dim=(2, 3)))
    nhwc = x.permute(0, 2, 3, 1)
    assert torch.allclose(pooled(Layer("a", "a", channels=3), nhwc), x.mean(dim=(2, 3)))


def test_pooled_tokens_are_the_class_token_and_the_mean_of_the_others() -> None:
    x = torch.randn(2, 5, 3)
    got = pooled(Layer("a", "a", prefix_tokens=1), x)
    assert torch.allclose(got, torch.cat([x[:, 0], x[:, 1:].mean(dim=1)], dim=1))


def test_flat_features_are_a_copy() -> None:
    x = torch.randn(2, 3)
    kept = flat(LOGITS, x)
    x.zero_()
    assert kept.abs().sum() > 0


def test_the_output_is_the_layer_logits() -> None:
    model, x = Mlp(), torch.randn(7, 6)
    (logits,), output = all_features(model, [LOGITS], x, reduce=pooled, chunk=3)
    with torch.no_grad():
        assert torch.allclose(logits, model(x))
        assert torch.allclose(output, model(x))


def test_hooks_are_gone_afterwards() -> None:
    model = Mlp()
    all_features(model, [LOGITS], torch.randn(4, 6), reduce=pooled)
    assert not any(module._forward_hooks for module in model.modules())


def test_precise_bn_gives_the_statistics_of_the_inputs_and_leaves_the_model_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(3))
    x = torch.randn(500, 3) * 4 + 7
    twin = with_precise_bn(model, x, batch=500)
    assert torch.allclose(twin.get_buffer("0.running_mean"), x.mean(dim=0), atol=1e-4)
    assert torch.allclose(twin.get_buffer("0.running_var"), x.var(dim=0), rtol=1e-4)
    assert torch.equal(model.get_buffer("0.running_mean"), torch.zeros(3))


def test_precise_bn_of_batches_is_the_mean_of_the_batches_statistics() -> None:
    torch.manual_seed(0)
    x = torch.randn(501, 3)
    twin = with_precise_bn(nn.Sequential(nn.BatchNorm1d(3)), x, batch=250)
    expected = torch.stack([part.var(dim=0) for part in x[:500].split(250)]).mean(dim=0)
    assert torch.allclose(twin.get_buffer("0.running_var"), expected, rtol=1e-5)


def test_a_model_without_batch_norm_is_not_copied() -> None:
    model = Mlp()
    assert with_precise_bn(model, torch.randn(4, 6)) is model


def test_precise_bn_keeps_the_mode_of_the_model() -> None:
    model = Residual().train()
    with_precise_bn(model, torch.randn(8, 1, 4, 4))
    assert model.training
