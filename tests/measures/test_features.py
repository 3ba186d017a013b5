"""Features, pooled and flat, and precise BatchNorm."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from repdyn.batches import Batch
from repdyn.errors import UserError
from repdyn.layer import Layer
from repdyn.measures.cka import gram_vectors
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
    assert output is not None
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


class Tokens(nn.Module):
    """Embeds tokens, and returns their embeddings in whatever form it is told to."""

    def __init__(self, wrap: Callable[[Tensor], object] = lambda x: x) -> None:
        super().__init__()
        self.embed, self.block, self.head = nn.Embedding(9, 3), Wrapping(wrap), nn.Linear(3, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        x = self.embed(input_ids)
        self.block(x)
        y: Tensor = self.head(x[:, 0])
        return y


class Wrapping(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, x: Tensor) -> object:
        return self.wrap(x)


IDS = torch.randint(0, 9, (7, 4), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([4, 1, 3, 2, 4, 4, 2])
MASK = (torch.arange(4) < LENGTHS[:, None]).long()
EMBED, BLOCK = Layer("embed", "embed"), Layer("block", "block")


@pytest.mark.parametrize(
    "inputs", [IDS, (IDS,), {"input_ids": IDS}], ids=["tensor", "tuple", "mapping"]
)
def test_inputs_of_any_kind_are_taken_in_parts(inputs: Batch) -> None:
    model = Tokens()
    (found,), output = all_features(model, [EMBED], inputs, reduce=flat, chunk=3)
    assert torch.equal(found, model.embed(IDS).flatten(1))
    assert output is not None
    assert torch.equal(output, model(IDS))


def test_forward_calls_the_model_and_its_result_is_the_output() -> None:
    model = Tokens()
    (found, logits), output = all_features(
        model,
        [EMBED, LOGITS],
        {"ids": IDS},
        reduce=flat,
        chunk=3,
        forward=lambda m, batch: 2 * m(batch["ids"]),
    )
    assert torch.equal(found, model.embed(IDS).flatten(1))
    assert output is not None
    assert torch.equal(logits, 2 * model(IDS))
    assert torch.equal(output, 2 * model(IDS))


def test_padded_tokens_do_not_count() -> None:
    """The padded positions hold NaN, which a product with the mask would keep."""
    model, inputs = Tokens(), {"input_ids": IDS, "attention_mask": MASK}
    model.embed.weight.data[0] = torch.nan
    inputs["input_ids"] = torch.where(MASK.bool(), IDS.clamp(min=1), 0)
    x = model.embed(inputs["input_ids"]).detach()
    (found,), _ = all_features(model, [EMBED], inputs, reduce=pooled, chunk=3)
    by_hand = [row[:length].mean(dim=0) for row, length in zip(x, LENGTHS, strict=True)]
    torch.testing.assert_close(found, torch.stack(by_hand))
    (found,), _ = all_features(model, [EMBED], inputs, reduce=flat, chunk=3)
    zeroed = torch.stack(
        [torch.cat([row[:k], row[k:] * 0]) for row, k in zip(x, LENGTHS, strict=True)]
    )
    torch.testing.assert_close(found, zeroed.nan_to_num().flatten(1))


def test_what_is_padded_does_not_change_cka() -> None:
    model = Tokens()
    other = torch.where(MASK.bool(), IDS, (IDS + 1) % 9)
    rows = [
        gram_vectors(
            model, [EMBED], {"input_ids": ids, "attention_mask": MASK}, batch=4, chunk=chunk
        )
        for ids, chunk in ((IDS, 4), (other, 4), (other, 3))
    ]
    assert torch.equal(rows[0][0], rows[1][0])
    torch.testing.assert_close(rows[1][0], rows[2][0])
    (plain,) = gram_vectors(model, [EMBED], IDS, batch=4)
    assert not torch.allclose(plain, rows[0][0])


def test_a_class_token_stays_apart_from_the_mean_of_the_unpadded() -> None:
    x, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]).bool()
    found = pooled(Layer("a", "a", prefix_tokens=1), x, mask)
    assert torch.allclose(found[0], torch.cat([x[0, 0], x[0, 1:3].mean(dim=0)]))
    assert torch.allclose(found[1], torch.cat([x[1, 0], x[1, 1:].mean(dim=0)]))


def test_the_mask_is_only_for_layers_of_tokens() -> None:
    model, inputs = Tokens(lambda x: x.mean(dim=1)), {"input_ids": IDS, "attention_mask": MASK}
    (found,), _ = all_features(model, [BLOCK], inputs, reduce=flat)
    torch.testing.assert_close(found, model.embed(IDS).mean(dim=1))


def test_the_mask_of_an_encoder_is_not_for_its_decoder() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Embedding(9, 3), nn.Embedding(9, 3)

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor
        ) -> Tensor:
            y: Tensor = self.encoder(input_ids) + self.decoder(decoder_input_ids)
            return y

    model = Pair()
    inputs = {"input_ids": IDS, "attention_mask": MASK, "decoder_input_ids": IDS}
    layers = [Layer("encoder", "encoder"), Layer("decoder", "decoder")]
    (masked, whole), _ = all_features(model, layers, inputs, reduce=flat)
    assert torch.equal(masked, (model.encoder(IDS) * MASK[..., None]).flatten(1))
    assert torch.equal(whole, model.decoder(IDS).flatten(1))


def test_of_a_tuple_the_tensor_for_each_input_is_read() -> None:
    model = Tokens(lambda x: (torch.zeros(2, 5), (x, x + 1), None))
    (found,), _ = all_features(model, [BLOCK], IDS, reduce=flat, chunk=3)
    assert torch.equal(found, model.embed(IDS).flatten(1))


@pytest.mark.parametrize("reduce", [flat, pooled])
def test_the_batch_axis_comes_first(reduce: Any) -> None:
    plain, swapped = Tokens(), Tokens(lambda x: x.transpose(0, 1))
    swapped.load_state_dict(plain.state_dict())
    layer = Layer("block", "block", batch_axis=1)
    (found,), _ = all_features(swapped, [layer], IDS, reduce=reduce, chunk=3)
    (expected,), _ = all_features(plain, [BLOCK], IDS, reduce=reduce, chunk=3)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_features_and_output_are_single_precision(dtype: torch.dtype) -> None:
    model, x = Mlp().to(dtype), torch.randn(7, 6)
    for reduce in (flat, pooled):
        features, output = all_features(model, [Layer("first", "first"), LOGITS], x, reduce=reduce)
        assert output is not None
        assert {f.dtype for f in (*features, output)} == {torch.float32}
    (vector,) = gram_vectors(model, [LOGITS], x)
    assert vector.isfinite().all()


@pytest.mark.parametrize(
    ("wrap", "reason"),
    [
        (lambda x: [x, x], "returns a list of 2 tensors"),
        (lambda x: None, "returns an object of type NoneType"),
        (lambda x: x[:2], "no axis of its output is the batch of 7 inputs"),
        (lambda x: x[:, 0, 0], "returns one number per input"),
    ],
)
def test_what_cannot_be_read_names_the_layer(wrap: Callable[[Tensor], object], reason: str) -> None:
    with pytest.raises(UserError, match=f"^layer block: {reason}; do not watch it$"):
        all_features(Tokens(wrap), [BLOCK], IDS, reduce=flat)
    model = Tokens(wrap)
    assert not any(module._forward_hooks for module in model.modules())


def test_precise_bn_takes_inputs_by_name() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, *, values: Tensor) -> Tensor:
            y: Tensor = self.norm(values)
            return y

    x = torch.randn(20, 3) + 5
    for inputs, forward in (({"values": x}, None), (x, lambda m, batch: m(values=batch))):
        twin = with_precise_bn(Named(), inputs, batch=20, forward=forward)
        assert torch.allclose(twin.get_buffer("norm.running_mean"), x.mean(dim=0), atol=1e-5)
