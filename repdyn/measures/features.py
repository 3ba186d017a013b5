"""One forward pass → the activations of every watched layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from repdyn.errors import UserError
from repdyn.eval_mode import evaluating, random_state_kept
from repdyn.layer import Layer, described, single_tensor

Reduce = Callable[[Layer, Tensor], Tensor]

CHUNK = 250
"""Inputs per forward pass, by default."""


def flat(layer: Layer, activation: Tensor) -> Tensor:
    """Return a float32 copy as a matrix (n, p), the features of an image in memory order.

    The copy keeps what an in-place ReLU after the layer would overwrite.
    """
    del layer
    return as_matrix(activation).to(torch.float32, copy=True)


def as_matrix(activation: Tensor) -> Tensor:
    """Return an activation as a matrix (n, p), a view wherever its memory allows one.

    Feature maps in channels_last are flattened in that order, which saves a transposition: the Gram
    matrix does not depend on the order of the features, as long as it is the same for all images.
    """
    if activation.dim() == 4 and activation.is_contiguous(memory_format=torch.channels_last):
        activation = activation.permute(0, 2, 3, 1)
    return activation.detach().flatten(1)


def pooled(layer: Layer, activation: Tensor) -> Tensor:
    """Return the features (n, d) float32 that a linear probe sees.

    For a feature map, its spatial mean; for tokens, the leading class and register tokens and the
    mean of the others, concatenated; for a vector, the vector itself.
    """
    x = activation.detach().float()
    if x.dim() == 4:
        return x.mean(dim=(1, 2) if layer.channels == 3 else (2, 3))
    if x.dim() == 3:
        prefix, rest = x[:, : layer.prefix_tokens], x[:, layer.prefix_tokens :]
        return torch.cat([prefix.flatten(1), rest.mean(dim=1)], dim=1)
    return x.flatten(1).clone()


@contextmanager
def _hooked(
    model: nn.Module, layers: Sequence[Layer], reduce: Reduce
) -> Iterator[dict[str, Tensor]]:
    """Fill a dict with each layer's reduced activation whenever the model runs."""
    seen: dict[str, Tensor] = {}

    def keep(layer: Layer) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            activation = single_tensor(output)
            if activation is None:
                raise UserError(f"layer {layer.name}: returns {described(output)}; do not watch it")
            if layer.name in seen:
                raise UserError(
                    f"layer {layer.name}: runs more than once per pass; do not watch it"
                )
            seen[layer.name] = reduce(layer, activation)

        return hook

    handles = [model.get_submodule(a.module).register_forward_hook(keep(a)) for a in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def layer_features(
    model: nn.Module,
    layers: Sequence[Layer],
    inputs: Tensor,
    *,
    reduce: Reduce,
    chunk: int = CHUNK,
) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Yield, chunk by chunk, each layer's features and the output of the model.

    Args:
        model: run in eval mode without gradients; its mode is restored.
        layers: whose features to return, in this order.
        inputs: (n, ...) as the model takes them, on its device.
        reduce: `flat`, `pooled`, or another function of a layer's activation; it must not return a
            view, as an in-place ReLU may follow.
        chunk: inputs per forward pass; results do not depend on it.

    Yields:
        Features, one (c, p) float32 tensor per layer, and the output (c, K) float32.

    Raises:
        UserError: a layer does not run, runs more than once, or does not return a single tensor.
    """
    with evaluating(model), _hooked(model, layers, reduce) as seen:
        for part in inputs.split(chunk):
            output = single_tensor(model(part))
            if output is None:
                raise UserError("the model does not return a single tensor; measure one that does")
            missing = [layer.name for layer in layers if layer.name not in seen]
            if missing:
                raise UserError(f"layer {missing[0]}: does not run; do not watch it")
            yield [seen[layer.name] for layer in layers], output.float()
            seen.clear()


def all_features(
    model: nn.Module,
    layers: Sequence[Layer],
    inputs: Tensor,
    *,
    reduce: Reduce,
    chunk: int = CHUNK,
) -> tuple[list[Tensor], Tensor]:
    """Return each layer's features for all inputs, (n, p) each, and the output (n, K)."""
    parts = list(layer_features(model, layers, inputs, reduce=reduce, chunk=chunk))
    features = [torch.cat([part[0][i] for part in parts]) for i in range(len(layers))]
    return features, torch.cat([output for _, output in parts])


def with_precise_bn(model: nn.Module, inputs: Tensor, *, batch: int = 250) -> nn.Module:
    """Return a copy whose BatchNorm statistics are recomputed over the inputs ("precise BN").

    The running statistics are a moving average over the last steps, taken while the weights changed;
    when an epoch has few steps they lag, and a layer's CKA shows the lag. Wu & Johnson (2021,
    *Rethinking "Batch" in BatchNorm*): the average of the batches' means and unbiased variances
    under the current weights, each batch normalised by its own statistics, as in
    `torch.optim.swa_utils.update_bn`. Unlike there, all other modules are in eval mode (dropout and
    stochastic depth are off), frozen BatchNorms keep and use their statistics, and the global
    random state stays as it is.

    A BatchNorm is frozen if it keeps no running statistics, if it is in eval mode while the model
    is in training mode, or if its weight and bias require no gradients while other parameters of
    the model do. The mode of the whole model is not considered: it may be passed in either. A
    `Trainer` sets the whole model to training mode each epoch.

    Args:
        model: left unchanged. Without a BatchNorm to recompute, it is returned itself.
        inputs: (n, ...) training inputs, without augmentation.
        batch: batch size; a last batch of one is left out, as its variance is undefined.

    Returns:
        The copy, in eval mode.
    """
    names = _recomputed(model)
    parts = [part for part in inputs.split(batch) if len(part) > 1]
    if not names or not parts:
        return model
    with evaluating(model), random_state_kept(inputs.device):
        twin = copy.deepcopy(model)
        norms = [cast("_BatchNorm", twin.get_submodule(name)) for name in names]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over the batches
            norm.training = True  # not train(): a dropout inside of timm's norms stays off
        for part in parts:
            twin(part)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.training, norm.momentum = False, momentum
    return twin


def _recomputed(model: nn.Module) -> list[str]:
    """Return the names of the BatchNorms that are not frozen."""
    trains = any(p.requires_grad for p in model.parameters())

    def frozen(norm: _BatchNorm) -> bool:
        if norm.running_mean is None or not norm.track_running_stats:
            return True
        own = list(norm.parameters(recurse=False))
        fixed = trains and own and not any(p.requires_grad for p in own)
        return bool(fixed) or (model.training and not norm.training)

    norms = ((name, m) for name, m in model.named_modules() if isinstance(m, _BatchNorm))
    return [name for name, norm in norms if not frozen(norm)]
