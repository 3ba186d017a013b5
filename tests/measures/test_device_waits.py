"""Forward passes and Gram matrices on a GPU are queued there; the host waits only for the results."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from repdyn import models
from repdyn.layers import watched_layers
from repdyn.measures.cka import minibatch_grams, packed
from repdyn.measures.features import all_features, part_features, pooled, with_precise_bn
from repdyn.measures.folding import foldable, folded
from repdyn.settings.schema import ModelConfig
from tests.support.fake_gpu import GPU, Waits, moved


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224"])
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_passes_stay_on_the_device(arch: str) -> None:
    arch_arg = ("patch_size=4", "depth=1") if arch.startswith("vit") else ()
    config = ModelConfig(arch=arch, width=0.25, arch_arg=arch_arg)
    model = models.build(config, image_size=16, channels=1, classes=3)
    layers = watched_layers(model)
    waits = Waits()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        there, images = moved(model), torch.zeros(24, 1, 16, 16, device=GPU)
        with waits:
            precise = with_precise_bn(there, images, batch=8)
            pairs = foldable(precise, {layer.module for layer in layers})
            ready = folded(precise, pairs)
            by_part = list(
                minibatch_grams(ready, layers, images, estimator="unbiased", batch=12, chunk=6)
            )
            rows = [packed(gram, "unbiased") for grams, _ in by_part for gram in grams]
            features, output = all_features(ready, layers, images, reduce=pooled, chunk=10)
            parts = list(part_features(ready, layers, images.split(5), reduce=pooled))
    assert bool(pairs) == (arch == "resnet18")
    assert output is not None
    shown = [*rows, *features, output, *(x for part, _ in parts for x in part)]
    assert {x.device for x in shown} == {GPU}
    assert waits.found == []
