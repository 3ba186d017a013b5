"""The layers chosen for models of many kinds, each written down from its architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning
import pytest
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from repdyn.batches import Batch
from repdyn.layers import choose_layers
from repdyn.measures.features import all_features, pooled
from tests.support.networks import compiled

IDS = torch.randint(3, 40, (2, 6), generator=torch.Generator().manual_seed(0))
TEXT = {"input_ids": IDS, "attention_mask": torch.tensor([[1] * 6, [1] * 4 + [0] * 2])}


def pixels(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Row:
    """A model, its inputs, and the layers before the logits; `left_out` are named in the notice."""

    make: Callable[[], nn.Module]
    inputs: Batch
    layers: list[str]
    left_out: tuple[str, ...] = ()


def numbered(prefix: str, number: int) -> list[str]:
    return [f"{prefix}.{i}" for i in range(number)]


def staged(pattern: str, depths: Iterable[int], first: int = 0, step: int = 1) -> list[str]:
    """Return the names of blocks in stages; the pattern takes the stage and the block."""
    return [
        pattern.format(first + step * stage, block)
        for stage, depth in enumerate(depths)
        for block in range(depth)
    ]


def vision(name: str, **how: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision.models, name)(num_classes=10, **how)


def of_timm(name: str, **how: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=10, **how)


RESNET18 = ["stem", *staged("layer{}.{}", [2, 2, 2, 2], first=1)]

TORCHVISION = {
    "resnet18": Row(vision("resnet18"), pixels(32), RESNET18),
    "resnet50 of one block a stage": Row(
        lambda: torchvision.models.ResNet(
            torchvision.models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=10
        ),
        pixels(32),
        ["stem", *staged("layer{}.{}", [1, 1, 1, 1], first=1)],
    ),
    "vit": Row(
        lambda: torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=10),
        pixels(32),
        ["stem", *(f"encoder.layers.encoder_layer_{i}" for i in range(3))],
    ),
    "alexnet": Row(
        vision("alexnet"),
        pixels(64),
        [*(f"features.{i}" for i in (0, 3, 6, 8, 10)), "classifier.1", "classifier.4"],
        left_out=("classifier.6",),
    ),
    "squeezenet1_1": Row(
        vision("squeezenet1_1"),
        pixels(64),
        ["stem", *(f"features.{i}" for i in (3, 4, 6, 7, 9, 10, 11, 12))],
    ),
    "mobilenet_v3_small": Row(
        vision("mobilenet_v3_small"), pixels(32), numbered("features", 12)
    ),  # 0 is the stem, then 11 inverted residuals
    "shufflenet_v2_x0_5": Row(
        vision("shufflenet_v2_x0_5"),
        pixels(32),
        ["stem", *staged("stage{}.{}", [4, 8, 4], first=2)],
    ),
}

LARGE_OF_TORCHVISION = {
    "vgg11_bn": Row(
        vision("vgg11_bn"),
        pixels(32),
        # a convolution and its BatchNorm, eight times; "M" pools after 1, 2, 4, 6 and 8
        [
            *(f"features.{i + j}" for i in (0, 4, 8, 11, 15, 18, 22, 25) for j in (0, 1)),
            "classifier.0",
            "classifier.3",
        ],
        left_out=("classifier.6",),
    ),
    "densenet121": Row(
        vision("densenet121"),
        pixels(32),
        ["stem", *(f"features.denseblock{i}" for i in range(1, 5))],
    ),
    "efficientnet_b0": Row(
        vision("efficientnet_b0"),
        pixels(32),
        ["features.0", *staged("features.{}.{}", [1, 2, 2, 3, 3, 4, 1], first=1)],
    ),
    "convnext_tiny": Row(
        vision("convnext_tiny"),
        pixels(32),
        ["features.0", *staged("features.{}.{}", [3, 3, 9, 3], first=1, step=2)],
    ),
    "swin_t": Row(
        vision("swin_t"),
        pixels(64),
        ["features.0", *staged("features.{}.{}", [2, 2, 6, 2], first=1, step=2)],
    ),
    "regnet_y_400mf": Row(
        vision("regnet_y_400mf"),
        pixels(32),
        ["stem", *staged("trunk_output.block{0}.block{0}-{1}", [1, 3, 6, 6], first=1)],
    ),
    "googlenet": Row(
        vision("googlenet", init_weights=False),
        pixels(64),
        [
            "stem",
            *(
                f"inception{name}"
                for name in ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
            ),
        ],
        left_out=("aux1", "aux2"),
    ),
    "inception_v3": Row(
        vision("inception_v3", init_weights=False),
        pixels(96),
        # 6a and 7a, which halve the sides, are each the only one of their class
        [
            "stem",
            *(f"Mixed_{name}" for name in ["5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b", "7c"]),
        ],
    ),
}

TIMM = {
    "timm resnet": Row(
        of_timm("resnet18"), pixels(32), ["stem", *staged("layer{}.{}", [2, 2, 2, 2], first=1)]
    ),
    "timm vit": Row(
        of_timm("vit_tiny_patch16_224", img_size=32, depth=3),
        pixels(32),
        ["patch_embed", *numbered("blocks", 3)],
    ),
    "timm convnext": Row(
        of_timm("convnext_atto", depths=(1, 1, 2, 1), dims=(8, 8, 16, 16)),
        pixels(32),
        ["stem", *staged("stages.{}.blocks.{}", [1, 1, 2, 1])],
    ),
    "timm swin": Row(
        of_timm("swin_tiny_patch4_window7_224", img_size=64, window_size=2, depths=(1, 2)),
        pixels(64),
        ["patch_embed", *staged("layers.{}.blocks.{}", [1, 2])],
    ),
    "timm mixer": Row(
        of_timm("mixer_s32_224", img_size=64), pixels(64), ["stem", *numbered("blocks", 8)]
    ),
}

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SPECIAL = {name: value for name, value in SIZES.items() if name.endswith("_token_id")}
T5 = {"vocab_size": 40, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 3, "num_heads": 2}
IMAGES = {"num_hidden_layers": 3, "image_size": 32, "patch_size": 8}
IMAGES |= {
    name: SIZES[name] for name in ("hidden_size", "num_attention_heads", "intermediate_size")
}


def of_transformers(model: str, config: str, **how: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(transformers, model)(getattr(transformers, config)(**how))


def whisper() -> nn.Module:
    sizes: dict[str, Any] = {"d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2}
    sizes |= {"vocab_size": 40, "num_mel_bins": 8, "max_source_positions": 10, **SPECIAL}
    return WhisperEncoder(transformers.WhisperConfig(decoder_start_token_id=1, **sizes))


TRANSFORMERS = {
    "BertModel": Row(
        of_transformers("BertModel", "BertConfig", **SIZES),
        TEXT,
        ["embeddings", *numbered("encoder.layer", 2)],
        left_out=("encoder.layer.2",),  # it is the model's output
    ),
    "Bert with a head": Row(
        of_transformers("BertForSequenceClassification", "BertConfig", **SIZES),
        TEXT,
        ["bert.embeddings", *numbered("bert.encoder.layer", 3)],
    ),
    "DistilBert": Row(
        of_transformers(
            "DistilBertForSequenceClassification",
            "DistilBertConfig",
            **SPECIAL,
            vocab_size=40,
            dim=16,
            n_layers=3,
            n_heads=2,
            hidden_dim=32,
        ),
        TEXT,
        ["distilbert.embeddings", *numbered("distilbert.transformer.layer", 3)],
    ),
    "Roberta": Row(
        of_transformers("RobertaForMaskedLM", "RobertaConfig", **SIZES),
        TEXT,
        ["roberta.embeddings", *numbered("roberta.encoder.layer", 3)],
    ),
    "GPT2": Row(
        of_transformers(
            "GPT2LMHeadModel",
            "GPT2Config",
            **SPECIAL,
            vocab_size=40,
            n_embd=16,
            n_layer=3,
            n_head=2,
            n_positions=16,
        ),
        TEXT,
        ["embeddings", *numbered("transformer.h", 3)],  # of tokens and positions together
    ),
    "GPTNeoX": Row(
        of_transformers("GPTNeoXForCausalLM", "GPTNeoXConfig", **SIZES),
        TEXT,
        ["gpt_neox.embed_in", *numbered("gpt_neox.layers", 3)],
    ),
    "Llama": Row(
        of_transformers("LlamaForCausalLM", "LlamaConfig", **SIZES),
        TEXT,
        ["model.embed_tokens", *numbered("model.layers", 3)],
    ),
    "Mistral without a head": Row(
        of_transformers("MistralModel", "MistralConfig", **SIZES, num_key_value_heads=2),
        IDS,
        ["embed_tokens", *numbered("layers", 3)],
    ),
    "Mixtral": Row(
        of_transformers(
            "MixtralForCausalLM",
            "MixtralConfig",
            **SIZES,
            num_key_value_heads=2,
            num_local_experts=4,
        ),
        TEXT,
        ["model.embed_tokens", *numbered("model.layers", 3)],
    ),
    "Albert": Row(
        of_transformers(
            "AlbertForSequenceClassification", "AlbertConfig", **SIZES, embedding_size=8
        ),
        TEXT,
        ["albert.encoder.embedding_hidden_mapping_in"],
        left_out=("albert.encoder.albert_layer_groups.0 (runs 3 times per pass)",),
    ),
    "T5 encoder": Row(
        of_transformers("T5EncoderModel", "T5Config", **T5),
        TEXT,
        ["embed_tokens", *numbered("block", 3)],
    ),
    "T5": Row(
        of_transformers("T5ForConditionalGeneration", "T5Config", **T5),
        {**TEXT, "decoder_input_ids": IDS[:, :4]},
        [
            "encoder.embed_tokens",
            *numbered("encoder.block", 3),
            *numbered("decoder.block", 3),
        ],
    ),
    "ViT": Row(
        of_transformers("ViTForImageClassification", "ViTConfig", **IMAGES),
        {"pixel_values": pixels(32)},
        ["vit.embeddings", *numbered("vit.layers", 3)],
    ),
    "CLIP": Row(
        of_transformers("CLIPVisionModel", "CLIPVisionConfig", **IMAGES),
        pixels(32),
        ["pre_layrnorm", *numbered("encoder.layers", 2)],
        left_out=("encoder.layers.2",),
    ),
    "ResNet of transformers": Row(
        of_transformers(
            "ResNetForImageClassification",
            "ResNetConfig",
            embedding_size=8,
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 2, 1],
            layer_type="basic",
        ),
        pixels(32),
        ["resnet.embedder", *staged("resnet.encoder.stages.{}.layers.{}", [1, 1, 2, 1])],
    ),
    "Whisper's encoder": Row(whisper, torch.randn(2, 8, 20), ["conv2", *numbered("layers", 3)]),
}


class Positions(nn.Module):
    """A text classifier around nn.TransformerEncoder; sequence-first unless told otherwise."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(40, 8), nn.Linear(8, 3)
        block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(block, 3, enable_nested_tensor=False)
        self.axis = 1 if batch_first else 0

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.embed(input_ids)
        x = self.encoder(x if self.axis else x.transpose(0, 1))
        y: Tensor = self.head(x.mean(self.axis))
        return y


class Block(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.b(torch.relu(self.a(x)))
        return y


class Nested(nn.Module):
    """Blocks in lists in lists, which are held under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.groups = nn.ModuleList(map(self.group, (2, 1, 3)))
        self.body = nn.ModuleDict({"first": nn.Linear(6, 8), "groups": self.groups})

    @staticmethod
    def group(depth: int) -> nn.ModuleList:
        return nn.ModuleList(Block() for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.body["first"](x)
        for group in self.groups:
            assert isinstance(group, nn.ModuleList)
            for block in group:
                x = block(x)
        y: Tensor = self.head(x)
        return y


def twice_convolved(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Blocks on the way down, one at the bottom, and blocks on the way up, which run in that order."""

    def __init__(self) -> None:
        super().__init__()
        self.ups = nn.ModuleList([twice_convolved(24, 8), twice_convolved(12, 4)])
        self.downs = nn.ModuleList([twice_convolved(3, 4), twice_convolved(4, 8)])
        self.bottom, self.last = twice_convolved(8, 16), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skipped = list[Tensor]()
        for down in self.downs:
            x = down(x)
            skipped.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for up in self.ups:
            wide = nn.functional.interpolate(x, scale_factor=2)
            x = up(torch.cat([wide, skipped.pop()], dim=1))
        y: Tensor = self.last(x)
        return y


class WithLoss(nn.Module):
    """A model and its criterion, which has weights of its own."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.loss, self.margin = net, nn.CrossEntropyLoss(torch.ones(10)), CentreLoss()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class CentreLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Linear(10, 10)


class Lit(lightning.LightningModule):
    """Also holds a moving average of the weights, which does not run."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.averaged = model, copy.deepcopy(model)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class Vit(nn.Module):
    """Adds a class token and positions in its own forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.head = nn.Linear(48, 8), nn.Linear(8, 3)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), self.patches(x)], dim=1)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.head(x[:, 0])
        return y


class Recurrent(nn.Module):
    """Sequence-first: the LSTM returns (T, n, h) and its states."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm, self.head = nn.Embedding(40, 8), nn.LSTM(8, 5, 2), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        found, _ = self.lstm(self.embed(x).transpose(0, 1))
        y: Tensor = self.head(found[-1])
        return y


def resnet() -> nn.Module:
    block = torchvision.models.resnet.BasicBlock
    model: nn.Module = torchvision.models.ResNet(block, [2, 1, 1, 1], num_classes=10)
    return model


OF_RESNET = ["stem", *staged("layer{}.{}", [2, 1, 1, 1], first=1)]

PLAIN = {
    "MLP": Row(
        lambda: nn.Sequential(
            nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
        ),
        torch.randn(2, 3, 2, 2),
        ["1", "3"],
        left_out=("5",),
    ),
    "MLP with a list": Row(
        lambda: nn.Sequential(nn.Linear(6, 8), nn.Sequential(Block(), Block()), nn.Linear(8, 3)),
        torch.randn(2, 6),
        ["0", "1.0", "1.1"],
    ),
    "CNN": Row(
        lambda: nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        ),
        pixels(8),
        ["0", "1"],
        left_out=("4",),
    ),
    "backbone and head": Row(
        lambda: nn.Sequential(
            nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 3)
        ),
        torch.randn(2, 6),
        ["0.0", "0.2"],
        left_out=("1",),
    ),
    "TransformerEncoder": Row(
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3, enable_nested_tensor=False
        ),
        torch.randn(2, 5, 8),
        numbered("layers", 2),
        left_out=("layers.2",),
    ),
    "batch first": Row(partial(Positions, True), IDS, ["embed", *numbered("encoder.layers", 3)]),
    "sequence first": Row(
        partial(Positions, False), IDS, ["embed", *numbered("encoder.layers", 3)]
    ),
    "LSTM": Row(Recurrent, IDS, ["embed", "lstm"], left_out=("head",)),
    "ViT by hand": Row(Vit, pixels(16), ["patches", *numbered("blocks", 3)]),
    "nested lists": Row(
        Nested, torch.randn(2, 6), ["body.first", *staged("groups.{}.{}", [2, 1, 3])]
    ),
    "U-Net": Row(UNet, pixels(16), ["downs.0", "downs.1", "bottom", "ups.0", "ups.1"]),
    "with its loss": Row(lambda: WithLoss(resnet()), pixels(32), OF_RESNET),
    "Lightning": Row(lambda: Lit(resnet()), pixels(32), OF_RESNET),
    "Lightning around timm": Row(
        lambda: Lit(timm.create_model("test_resnet", num_classes=10)),
        pixels(32),
        ["stem", *staged("layer{}.{}", [1, 1, 1, 1], first=1)],
    ),
    "DataParallel": Row(lambda: nn.DataParallel(resnet()), pixels(32), OF_RESNET),
}

COMPILED = {
    "compiled": Row(lambda: nn.DataParallel(compiled(resnet())), pixels(32), OF_RESNET),
    "compiled within a module": Row(lambda: WithLoss(compiled(resnet())), pixels(32), OF_RESNET),
}


def check(row: Row) -> None:
    torch.manual_seed(0)
    model = row.make()
    choice = choose_layers(model, inputs=row.inputs)
    assert [layer.name for layer in choice.layers] == [*row.layers, "logits"]
    assert len(choice.left_out) == len(row.left_out)
    assert all(name in choice.notice for name in row.left_out)
    features, output = all_features(model, choice.layers, row.inputs, reduce=pooled)
    assert output is not None
    for x in (*features, output):
        assert len(x) == 2
        assert x.isfinite().all()


QUICK = TORCHVISION | TIMM | TRANSFORMERS | PLAIN


@pytest.mark.parametrize("name", QUICK)
def test_the_layers_of(name: str) -> None:
    check(QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE_OF_TORCHVISION | COMPILED)
def test_the_layers_of_the_larger_and_the_compiled(name: str) -> None:
    check((LARGE_OF_TORCHVISION | COMPILED)[name])
