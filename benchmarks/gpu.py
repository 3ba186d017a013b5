"""On a GPU: forward passes, Gram products, label maps, epochs, share of the matrix units' peak."""

from __future__ import annotations

import contextlib
import copy
import itertools
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.result import Figure, Result, main
from benchmarks.timing import Way, medians, seconds
from benchmarks.training import Task, cifar_shaped, worker_counts
from repdyn.layer import Layer
from repdyn.layers import watched_layers
from repdyn.measures.cka import packed
from repdyn.measures.features import all_features, flat, pooled
from repdyn.measures.probes import LinearProbe
from repdyn.measures.regions import agreement, label_maps, planes_through
from repdyn.training.loop import Trainer

Product = Callable[[Tensor], Tensor]
"""Returns X Xᵀ of (b, p) centred features."""

Forward = Callable[[Tensor], Tensor]
"""A network, compiled or not."""

EPOCH_AIM = 3.0

HOW = (
    "ResNet-18 with CIFAR's stem on random 32×32×3 images. Each group's ways are timed in turn. "
    "TF32 off or on is that of matrix products and of convolutions, for which torch's own default "
    "is on: fp32 epochs run with it. The share of the peak is the FLOPs of the steps and the test "
    "over the time of the epoch, relative to the rate of large bf16 matrix products here. "
    "airbench is not compared: it is on no package registry, and it times a network and a "
    "schedule of its own, made to reach 94 %, not a ResNet-18 with given settings."
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        images: of forward passes and of CKA.
        minibatch: images a Gram matrix.
        planes, checkpoints: of label maps.
        train, test: images of an epoch.
        width: of the network.
        square: side of the matrices whose product gives the peak.
        repeat: repetitions.
    """

    images: int = 1000
    minibatch: int = 250
    planes: int = 60
    checkpoints: int = 60
    train: int = 50_000
    test: int = 10_000
    width: float = 1.0
    square: int = 8192
    repeat: int = 5


TINY = Sizes(16, 8, 3, 4, 32, 16, 0.125, 64, 1)


def run(quick: bool) -> Result:
    """Measure on the GPU; without one, a quick run checks on the CPU that it works."""
    title = "On a GPU"
    if torch.cuda.is_available():
        device, sizes = torch.device("cuda"), _quick() if quick else Sizes()
        return Result(title, figures(device, sizes), HOW)
    if quick:
        how = "No GPU here: tiny sizes on the CPU, which only show that it works."
        return Result(title, figures(torch.device("cpu"), TINY), how)
    return Result(title, (), "No GPU here: nothing measured. On one: python -m benchmarks.gpu")


def _quick() -> Sizes:
    return Sizes(train=1000, test=200, repeat=1)


def figures(device: torch.device, sizes: Sizes) -> list[Figure]:
    """Measure everything on a device."""
    task = cifar_shaped(device, sizes.train, sizes.test, sizes.width)
    model = task.new_model(0).eval()
    inputs = task.data.inputs(task.data.images[: sizes.images])
    return [
        *_forward_passes(model, inputs.contiguous(), sizes.repeat),
        *_gram_products(model, inputs, sizes),
        *_label_maps(model, inputs, sizes),
        *_agreement(device, sizes),
        *_steps(task, sizes.repeat),
        *_synchronisations(task),
        *_epochs(task, sizes),
    ]


@contextlib.contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Allow or forbid TF32 for float32 products and convolutions."""
    flags: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = on
    try:
        yield
    finally:
        for flag, was in zip(flags, before, strict=True):
            flag.allow_tf32 = was


def _forward_passes(model: nn.Module, inputs: Tensor, repeat: int) -> list[Figure]:
    """Time passes without gradients, in eval mode."""
    device = inputs.device.type
    precisions: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "float32": partial(tf32, False),
        "TF32": partial(tf32, True),
        "bf16": partial(torch.autocast, device, torch.bfloat16),
    }
    orders = {"": torch.contiguous_format, ", channels_last": torch.channels_last}

    def passed(
        precision: Callable[[], AbstractContextManager[object]], net: nn.Module, x: Tensor
    ) -> None:
        with torch.no_grad(), precision():
            for part in x.split(250):
                net(part)

    ways: dict[str, Way] = {}
    for order, memory_format in orders.items():
        net = copy.deepcopy(model).to(memory_format=memory_format)
        x = inputs.contiguous(memory_format=memory_format)
        ways |= {f"{name}{order}": partial(passed, p, net, x) for name, p in precisions.items()}
    taken = medians(ways, repeat)
    return [
        Figure(
            f"forward passes in {name}",
            1000 * each,
            "ms",
            note=f"{taken['float32'] / each:.1f} × as fast as float32, {len(inputs)} images",
        )
        for name, each in taken.items()
    ]


def _in_tf32(x: Tensor) -> Tensor:
    with tf32(True):
        return x @ x.T


def _in_float32(x: Tensor) -> Tensor:
    with tf32(False):
        return x @ x.T


def _in_bf16(x: Tensor) -> Tensor:
    """Return the product of features rounded to bf16, summed in float32."""
    rounded = x.bfloat16()
    if x.device.type == "cuda":
        return torch.mm(rounded, rounded.T, out_dtype=torch.float32)
    # torch has that product on CUDA only; products of bf16 numbers are exact in float32
    return rounded.float() @ rounded.float().T


def _in_float64(x: Tensor) -> Tensor:
    return x @ x.T


PRODUCTS: dict[str, Product] = {
    "float32": _in_float32,
    "TF32": _in_tf32,
    "bf16 summed in float32": _in_bf16,
}


def _gram_products(model: nn.Module, inputs: Tensor, sizes: Sizes) -> list[Figure]:
    """Time the Gram matrices of all layers, and compare the resulting CKA with float64.

    The error is the largest among the CKA of all pairs of layers of two networks: the initial one
    and one with all weights moved a tenth of their size.
    """
    features = [x for net in (model, _moved(model)) for x in _layers_features(net, inputs)]
    ways = {name: partial(_grams, features, p, sizes) for name, p in PRODUCTS.items()}
    taken = medians(ways, sizes.repeat)
    exact = _cka([_vector(x, _in_float64, sizes, torch.float64) for x in features])
    found = []
    for name, product in PRODUCTS.items():
        cka = _cka([_vector(x, product, sizes) for x in features])
        error = float((cka - exact).abs().max())
        speed = f"{taken['float32'] / taken[name]:.1f} × as fast as float32"
        found += [
            Figure(f"Gram products in {name}", 1000 * taken[name], "ms", note=speed),
            Figure(f"CKA from {name}: largest error", error, "", note="relative to float64"),
        ]
    return found


@torch.no_grad()
def _moved(model: nn.Module) -> nn.Module:
    """Return a copy with noise of a tenth of its norm added to each weight tensor."""
    twin = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    for weight in twin.parameters():
        noise = torch.randn(weight.shape, generator=generator).to(weight.device)
        weight.add_(0.1 * weight.norm() / noise.norm() * noise)
    return twin


def _layers_features(model: nn.Module, inputs: Tensor) -> list[Tensor]:
    found, _ = all_features(model, watched_layers(model), inputs, reduce=flat)
    return found


def _grams(features: Sequence[Tensor], product: Product, sizes: Sizes) -> None:
    for x in features:
        for part in x.split(sizes.minibatch):
            product(part - part.mean(dim=0))


def _vector(
    features: Tensor, product: Product, sizes: Sizes, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return a layer's packed Gram matrices, centred and computed in a type."""
    return torch.cat(
        [
            packed(product(part - part.mean(dim=0)).double(), "unbiased")
            for part in (x.to(dtype) for x in features.split(sizes.minibatch))
        ]
    )


def _cka(vectors: Sequence[Tensor]) -> Tensor:
    """Return the CKA of all pairs."""
    unit = F.normalize(torch.stack(list(vectors)), dim=1)
    return unit @ unit.T


def _label_maps(model: nn.Module, inputs: Tensor, sizes: Sizes) -> list[Figure]:
    """Time the label maps of a checkpoint in float32 and in bf16, and measure their agreement."""
    layers, side, classes = watched_layers(model), 12, 10
    anchors = inputs[torch.arange(3 * sizes.planes, device=inputs.device) % len(inputs)]
    planes = planes_through(anchors.reshape(sizes.planes, 3, *inputs.shape[1:]))
    probes = _random_probes(model, layers, inputs, classes)
    maps = partial(label_maps, model, layers, probes, planes, side, classes=classes, reduce=pooled)

    def in_bf16() -> np.ndarray:
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return maps()

    taken = medians({"float32": maps, "bf16": in_bf16}, sizes.repeat)
    same = 100 * float(agreement(maps(), in_bf16()).min())
    points = f"{sizes.planes} planes of {side}×{side} points, {len(layers)} layers and the output"
    return [
        Figure("label maps on the device", 1000 * taken["float32"], "ms", note=points),
        Figure("label maps on the device in bf16", 1000 * taken["bf16"], "ms"),
        Figure("label maps in bf16: points that agree", same, "%", note="least of the layers"),
    ]


def _random_probes(
    model: nn.Module, layers: Sequence[Layer], inputs: Tensor, classes: int
) -> dict[str, LinearProbe]:
    """Return probes of the right sizes: the time does not depend on their weights."""
    features, _ = all_features(model, layers, inputs[:2], reduce=pooled)
    rng = np.random.default_rng(0)
    return {
        layer.name: LinearProbe(
            weight=rng.normal(size=(x.shape[1], classes)),
            bias=np.zeros(classes),
            classes=np.arange(classes, dtype=np.uint8),
            mean=np.zeros(x.shape[1]),
            scale=np.ones(x.shape[1]),
        )
        for layer, x in zip(layers, features, strict=True)
    }


def _agreement(device: torch.device, sizes: Sizes) -> list[Figure]:
    """Time the agreement of a checkpoint's label maps with all before it, on device and host."""
    shape = (sizes.checkpoints, 11, sizes.planes, 12, 12)
    before = np.random.default_rng(0).integers(0, 10, shape, dtype=np.uint8)
    new, there = before[-1], torch.from_numpy(before).to(device)
    on_there = there[-1]

    def on_host() -> np.ndarray:
        return np.stack([agreement(new, old) for old in before], axis=1)

    def on_device() -> np.ndarray:
        equal = there == on_there
        return equal.float().mean(dim=(-3, -2, -1)).T.cpu().numpy()

    if not np.allclose(on_host(), on_device(), atol=1e-6):
        raise AssertionError("device and host give different agreements")
    taken = medians({"host": on_host, "device": on_device}, sizes.repeat)
    note = f"with {sizes.checkpoints} checkpoints"
    return [
        Figure("agreement of label maps, numpy on the host", 1000 * taken["host"], "ms", note=note),
        Figure("agreement of label maps, torch on the device", 1000 * taken["device"], "ms"),
        Figure("agreement: host / device", taken["host"] / taken["device"]),
    ]


def _steps(task: Task, repeat: int) -> list[Figure]:
    """Time training steps in bf16: as they are, compiled, and compiled into CUDA graphs."""
    device = task.data.device
    kinds: dict[str, Callable[[nn.Module], Forward]] = {"eager": _unchanged}
    if device.type == "cuda":  # on a CPU, compiling takes a minute and shows nothing
        kinds |= {
            "torch.compile": torch.compile,
            "torch.compile with CUDA graphs": partial(torch.compile, mode="reduce-overhead"),
        }
    steps = 20 if device.type == "cuda" else 1
    taken = medians(
        {k: partial(_some_steps, _stepping(task, v), steps) for k, v in kinds.items()}, repeat
    )
    return [
        Figure(
            f"training step, bf16, {kind}",
            1000 * each / steps,
            "ms",
            note=f"{taken['eager'] / each:.2f} × as fast as eager, {task.batch_size} images",
        )
        for kind, each in taken.items()
    ]


def _unchanged(model: nn.Module) -> nn.Module:
    return model


def _stepping(task: Task, made: Callable[[nn.Module], Forward]) -> Way:
    """Return a function that trains a model for one step, always on the same images."""
    model = task.new_model(0).to(memory_format=torch.channels_last)
    forward = made(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    batch = min(task.batch_size, len(task.data.images))
    inputs, labels = task.data.inputs(task.data.images[:batch]), task.data.labels[:batch]

    def step() -> None:
        with torch.autocast(inputs.device.type, torch.bfloat16):
            loss = F.cross_entropy(forward(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _some_steps(step: Way, count: int) -> None:
    for _ in range(count):
        step()


def _synchronisations(task: Task) -> list[Figure]:
    """Count the synchronising operations of repdyn's steps, from the second to the last.

    The first step's place the order of the images on the device, once an epoch; what follows the
    last reads the epoch's sums.
    """
    steps = -(-len(task.data.images) // task.batch_size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _watched_epoch(task, steps)
    seen = [w for w in caught if "synchronizing CUDA operation" in str(w.message)]
    places = sorted({f"{w.filename.rpartition('/')[2]}:{w.lineno}" for w in seen})
    each = len(seen) / max(1, steps - 1)
    return [Figure("synchronisations a step", each, "", most=0, note=" ".join(places))]


def _watched_epoch(task: Task, steps: int) -> None:
    """Train an epoch in which torch warns of each synchronisation between two steps."""
    model = task.new_model(0).to(memory_format=torch.channels_last)
    trainer = Trainer(
        model,
        task.data,
        task.optim,
        epochs=1,
        batch_size=task.batch_size,
        augment=task.augment,
    )
    done = itertools.count(1)

    def after_step() -> None:
        n = next(done)
        if task.data.device.type == "cuda" and n in (1, steps):
            torch.cuda.set_sync_debug_mode("warn" if n < steps else "default")

    trainer.after_step = after_step
    try:
        for _ in trainer:
            pass
    finally:
        if task.data.device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def _epochs(task: Task, sizes: Sizes) -> list[Figure]:
    """Time epochs of repdyn, in several precisions, and of the plain loop; then shares of the peak."""
    device = task.data.device
    precisions: dict[str, dict[str, Any]] = {"fp32": {}, "bf16": {"precision": "bf16"}}
    if device.type == "cuda":
        precisions["bf16, compiled"] = {"precision": "bf16", "compile": True}
    mine: dict[str, Way] = {
        name: partial(next, task.trainer(**how)) for name, how in precisions.items()
    }
    counts = worker_counts(device) if device.type == "cuda" else (0,)
    plain: dict[str, Way] = {f"{n} workers": task.plain(n).epoch for n in counts}
    taken = medians(mine | plain, min(3, sizes.repeat))
    better = min(plain, key=lambda name: taken[name])
    flops, peak = _epoch_flops(task), _peak(device, sizes)
    return [
        Figure("epoch by the plain loop", taken[better], "s", note=f"fp32, {better}"),
        *(Figure(f"epoch by repdyn, {name}", taken[name], "s") for name in mine),
        Figure("plain / repdyn, both fp32", taken[better] / taken["fp32"], least=EPOCH_AIM),
        Figure("large bf16 matrix products", peak / 1e12, "TFLOP/s", note="the peak below"),
        *(
            Figure(f"share of the peak, epoch in {name}", 100 * flops / taken[name] / peak, "%")
            for name in mine
        ),
    ]


def _epoch_flops(task: Task) -> float:
    """Return the floating-point operations of an epoch: forward and backward, and the test."""
    model = task.new_model(0)
    inputs = task.data.inputs(task.data.images[:2])
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model.eval()(inputs)
    with FlopCounterMode(display=False) as both:
        model.train()(inputs).sum().backward()
    trained, tested = len(task.data.images), len(task.data.test_images)
    flops: float = trained * both.get_total_flops() + tested * forward.get_total_flops()
    return flops / len(inputs)


def _peak(device: torch.device, sizes: Sizes) -> float:
    """Return the operations a second of a product of large bf16 matrices."""
    a = torch.randn(sizes.square, sizes.square, device=device, dtype=torch.bfloat16)
    many = 10

    def products() -> None:
        for _ in range(many):
            a @ a

    products()
    taken = statistics.median(seconds(products) for _ in range(sizes.repeat))
    return many * 2 * sizes.square**3 / taken


if __name__ == "__main__":
    main(["gpu"], __doc__.splitlines()[0])
