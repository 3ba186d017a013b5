"""What a model is measured on: the same inputs at every checkpoint."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import default_collate

from repdyn import batches
from repdyn.batches import Batch, Forward
from repdyn.data.sampling import Anchors, Pool, Purpose, drawn_anchors, stratified, stream
from repdyn.errors import UserError
from repdyn.eval_mode import random_states_kept
from repdyn.measures.features import CHUNK
from repdyn.records import MOST_CLASSES

LEAST_REFERENCE = 4
"""HSIC₁ divides by n - 3."""

FINE = 3
"""Planes that are also drawn on a fine grid, by default."""

LABEL_NAMES = ("labels", "label", "targets", "target", "y")
"""Entries of a mapping that hold an example's class."""

TARGETS = ("targets", "labels", "_labels", "train_labels")
"""Attributes by which data sets offer all their classes without reading the examples."""

Collate = Callable[[list[Any]], Any]


class Probed(NamedTuple):
    """Training inputs with their classes; see `Inputs`."""

    train: Batch
    train_labels: NDArray[np.int64]
    given_labels: NDArray[np.int64]
    noisy: NDArray[np.bool_]


class Inputs:
    """The fixed inputs on which every checkpoint is measured, as the model takes them.

    A batch of inputs is a tensor, a tuple of tensors (the model's positional arguments) or a mapping
    (its keyword arguments); the first axis counts the inputs. They may be on any device: each pass
    moves its part to the model's.

    Only `reference` is needed. Without training inputs and their labels there are no linear probes;
    without them or without `anchors` there are no decision regions.

    Args:
        reference: reference inputs, on which similarities are computed, n ≥ 4.
        labels: their true classes (n,), to test the probes on.
        train: training inputs, m, without augmentation: to fit the probes, and to recompute
            BatchNorm's statistics.
        train_labels: classes that the probes learn to predict (m,).
        given_labels: classes that the network is trained on (m,); default: `train_labels`.
        noisy: which of the given labels are wrong (m,) bool; default: none.
        anchors: three inputs for each of P planes, (P, 3, ...) float.
        shown: the anchors as pictures with their labels, for display; default: made of `anchors`.
        fine: which of the planes are also drawn on a fine grid; default: the first three.
        classes: K; default: as many as the labels, or the model's outputs, show.
        class_names: of the K classes.
        forward: calls the model on a batch and returns its output; default: as a function of the
            batch.
        batch_size: inputs per forward pass.

    Raises:
        UserError: these do not fit together; says which.
    """

    def __init__(
        self,
        reference: Batch,
        labels: ArrayLike | Tensor | None = None,
        *,
        train: Batch | None = None,
        train_labels: ArrayLike | Tensor | None = None,
        given_labels: ArrayLike | Tensor | None = None,
        noisy: ArrayLike | Tensor | None = None,
        anchors: Tensor | None = None,
        shown: Anchors | None = None,
        fine: Sequence[int] | None = None,
        classes: int | None = None,
        class_names: Sequence[str] = (),
        forward: Forward | None = None,
        batch_size: int = CHUNK,
    ) -> None:
        n = _length("reference", reference)
        if n < LEAST_REFERENCE:
            raise UserError(f"reference: {n} inputs; give at least {LEAST_REFERENCE}")
        if batch_size < 1:
            raise UserError(f"batch_size {batch_size}: must be at least 1")
        if train is None and train_labels is not None:
            raise UserError("train_labels: are given without their inputs; give train, too")
        self.reference, self.train = reference, train
        self.forward, self.batch_size = forward, batch_size
        m = 0 if train is None else _length("train", train)
        self.labels = None if labels is None else as_classes("labels", labels, n)
        self.train_labels = (
            None if train_labels is None else as_classes("train_labels", train_labels, m)
        )
        self.given_labels = (
            self.train_labels
            if given_labels is None
            else as_classes("given_labels", given_labels, m)
        )
        self.noisy = _flags("noisy", noisy, m)
        self.class_names = tuple(class_names)
        self.classes = _count(classes, self.class_names, self._all_labels())
        self.fixed_classes = classes is not None or bool(self.class_names)
        self.anchors = anchors
        if anchors is not None:
            _check_anchors(anchors)
        self.shown = shown or (None if anchors is None else _shown(anchors))
        planes = 0 if anchors is None else len(anchors)
        self.fine = tuple(range(min(FINE, planes))) if fine is None else tuple(fine)

    @property
    def probed(self) -> Probed | None:
        """What linear probes are fitted to; None if there are no training inputs with classes."""
        if self.train is None or self.train_labels is None or self.given_labels is None:
            return None
        return Probed(self.train, self.train_labels, self.given_labels, self.noisy)

    @classmethod
    def from_datasets(
        cls,
        train: Any,
        test: Any = None,
        *,
        n: int = 1000,
        planes: int = 60,
        plane_kinds: Sequence[str] | None = None,
        seed: int = 0,
        noisy: ArrayLike | Tensor | None = None,
        collate_fn: Collate | None = None,
        class_names: Sequence[str] = (),
        forward: Forward | None = None,
        batch_size: int = CHUNK,
    ) -> Inputs:
        """Draw inputs from data sets.

        Args:
            train: training set, with `len` and `[i]`; without augmentation, else what is drawn is
                one augmented version of each example. Examples are `(input, class)`, an input, or a
                mapping with the class under a name in LABEL_NAMES.
            test: test set: reference inputs come from it; default: from the training set.
            n: reference inputs, and as many training inputs; at most as many as there are. Each
                class keeps its share if the set lists its classes (TARGETS).
            planes: for decision regions; none if the inputs are no images (C, H, W).
            plane_kinds: what they go through in turn: test and training examples (train), and
                wrongly labelled ones (noisy); default: all that there are.
            seed: determines what is drawn.
            noisy: which of the training set's labels are wrong, (len(train),).
            collate_fn: makes a batch of a list of examples; default: torch's.
            class_names: of the K classes.
            forward: calls the model on a batch and returns its output.
            batch_size: inputs per forward pass.

        Raises:
            UserError: a set is too small, or its examples make no batch.
        """
        collate, size = collate_fn or default_collate, _size("train", train)
        wrong = _flags("noisy", noisy, size)
        chosen = np.arange(size)
        if test is None:
            apart = _drawn(train, chosen, min(n, size // 2), seed, Purpose.PROBE_IMAGES)
            chosen = np.setdiff1d(chosen, apart)
            reference, labels = _batch("train", train, apart, collate)
        else:
            every = np.arange(_size("test", test))
            drawn = _drawn(test, every, n, seed, Purpose.PROBE_IMAGES)
            reference, labels = _batch("test", test, drawn, collate)
        chosen = _drawn(train, chosen, n, seed, Purpose.PROBE_TRAIN)
        fitted, train_labels = _batch("train", train, chosen, collate)
        anchors = shown = None
        if planes and train_labels is not None and _is_images(reference):
            anchors, shown = _planes(train, test, planes, plane_kinds, seed, wrong, collate)
        return cls(
            reference,
            labels,
            train=fitted,
            train_labels=train_labels,
            noisy=None if noisy is None else wrong[chosen],
            anchors=anchors,
            shown=shown,
            class_names=class_names or _names(train),
            forward=forward,
            batch_size=batch_size,
        )

    def _all_labels(self) -> list[NDArray[np.int64]]:
        return [x for x in (self.labels, self.train_labels, self.given_labels) if x is not None]


def _length(name: str, batch: Batch) -> int:
    try:
        return batches.length(batch)
    except (ValueError, TypeError) as error:
        raise UserError(f"{name}: {error}") from None


def _array(values: ArrayLike | Tensor) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def as_classes(name: str, values: ArrayLike | Tensor, length: int) -> NDArray[np.int64]:
    """Return classes as (length,) int64.

    Raises:
        UserError: they are not that many whole numbers from 0.
    """
    array = _array(values)
    if array.shape != (length,):
        raise UserError(f"{name}: have shape {array.shape}; give one class per input, ({length},)")
    if array.dtype.kind not in "biu":
        raise UserError(f"{name}: are {array.dtype}; give whole numbers from 0")
    found = array.astype(np.int64)
    if found.min(initial=0) < 0 or found.max(initial=0) >= MOST_CLASSES:
        bad = int(found.min()) if found.min(initial=0) < 0 else int(found.max())
        raise UserError(
            f"{name}: {bad} is no class, which are whole numbers from 0 to {MOST_CLASSES - 1:,}; "
            "leave such inputs out"
        )
    return found


def _flags(name: str, values: ArrayLike | Tensor | None, length: int) -> NDArray[np.bool_]:
    flags = np.zeros(length, dtype=bool) if values is None else _array(values)
    if flags.shape != (length,) or flags.dtype.kind != "b":
        raise UserError(
            f"{name}: must be {length} booleans, not {flags.dtype} of shape {flags.shape}"
        )
    return flags


def _count(classes: int | None, names: tuple[str, ...], labels: Sequence[NDArray[np.int64]]) -> int:
    """Return the number of classes, checked against the labels."""
    shown = 1 + max((int(x.max(initial=-1)) for x in labels), default=-1)
    if names and classes is not None and len(names) != classes:
        raise UserError(f"class_names: {len(names)} names for {classes} classes")
    stated = len(names) if names else classes
    if stated is not None and shown > stated:
        raise UserError(f"labels: {shown - 1} is no class; there are {stated}, from 0")
    return shown if stated is None else stated


def _check_anchors(anchors: Tensor) -> None:
    if anchors.dim() < 3 or anchors.shape[1] != 3 or not len(anchors):
        shape = tuple(anchors.shape)
        raise UserError(f"anchors: have shape {shape}; give three inputs per plane, (P, 3, ...)")
    if not anchors.is_floating_point():
        raise UserError(
            f"anchors: are {anchors.dtype}; planes lie between inputs of floating-point numbers"
        )


def _shown(anchors: Tensor) -> Anchors:
    """Return pictures of the anchors, of classes that are not known."""
    unknown = torch.zeros(anchors.shape[:2], dtype=torch.long)
    kinds = torch.zeros(len(anchors), dtype=torch.long)
    return Anchors(pictures(anchors), unknown, unknown, kinds)


def _size(name: str, dataset: Any) -> int:
    try:
        return len(dataset)
    except TypeError:
        raise UserError(f"{name}: has no length; give a data set with len and [i]") from None


def _names(dataset: Any) -> tuple[str, ...]:
    """Return the names of the classes that a data set of torchvision lists."""
    names = getattr(dataset, "classes", ())
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def _drawn(
    dataset: Any, among: NDArray[np.int64], n: int, seed: int, purpose: Purpose
) -> NDArray[np.int64]:
    """Return at most n of these indices, sorted; each class keeps its share if they are listed."""
    if len(among) <= n:
        return among
    rng, listed = stream(seed, purpose), _listed(dataset)
    if listed is not None:
        return among[stratified(listed[among], n, rng)]
    return np.sort(rng.permutation(among)[:n])


def _listed(dataset: Any) -> NDArray[np.int64] | None:
    """Return the classes that a data set lists; None if it does not."""
    tensors: Sequence[Any] = getattr(dataset, "tensors", ())
    offered = [*tensors[1:][-1:], *(getattr(dataset, name, None) for name in TARGETS)]
    for values in offered:
        if values is None or callable(values):
            continue
        try:
            array = _array(values)
        except (ValueError, TypeError):
            continue
        if array.shape == (len(dataset),) and array.dtype.kind in "iu":
            return array.astype(np.int64)
    return None


def _batch(
    name: str, dataset: Any, chosen: Sequence[int] | NDArray[np.int64], collate: Collate
) -> tuple[Batch, NDArray[np.int64] | None]:
    """Return some examples as a batch for the model, and their classes if they have any."""
    # a transform may draw random numbers: always the same ones, and none of the caller's
    try:
        with random_states_kept():
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002 (what a transform may use)
            batch = collate([dataset[int(i)] for i in chosen])
    except (TypeError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{name}: its examples make no batch ({str(error).splitlines()[0]}); give a collate_fn"
        ) from error
    return _without_labels(name, batch, len(chosen))


def _without_labels(name: str, batch: Any, n: int) -> tuple[Batch, NDArray[np.int64] | None]:
    """Divide a batch into what the model takes and the classes."""
    if isinstance(batch, Mapping):
        rest = dict(batch)
        found = [rest.pop(key) for key in LABEL_NAMES if key in rest]
        classes = [_one_class_each(values, n) for values in found]
        return rest, next((one for one in classes if one is not None), None)
    if isinstance(batch, Tensor):
        return batch, None
    if isinstance(batch, list | tuple) and len(batch) > 1:
        labels = _one_class_each(batch[-1], n)
        parts = tuple(batch) if labels is None else tuple(batch[:-1])
        return (parts[0] if len(parts) == 1 else parts), labels
    if isinstance(batch, list | tuple) and len(batch) == 1 and isinstance(batch[0], Tensor):
        return batch[0], None
    raise UserError(
        f"{name}: its collate_fn returns a {type(batch).__name__}; "
        "it must return a tensor, a tuple or a mapping"
    )


def _one_class_each(values: Any, n: int) -> NDArray[np.int64] | None:
    """Return classes if that is what the values are; a text's next tokens, for example, are not."""
    array = _array(values) if isinstance(values, Tensor | np.ndarray | list | tuple) else None
    if array is None or array.dtype.kind not in "biu" or array.ndim != 1:
        return None
    return array.astype(np.int64) if len(array) == n else None


def _is_images(batch: Batch) -> bool:
    return isinstance(batch, Tensor) and batch.dim() == 4 and batch.is_floating_point()


def _planes(
    train: Any,
    test: Any,
    count: int,
    kinds: Sequence[str] | None,
    seed: int,
    noisy: NDArray[np.bool_],
    collate: Collate,
) -> tuple[Tensor, Anchors]:
    """Return the anchors of planes as the model takes them, and as pictures."""

    def pool(name: str, dataset: Any) -> Pool:
        def read(chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
            batch, labels = _batch(name, dataset, chosen, collate)
            (images,) = batches.tensors(batch)
            known = torch.zeros(3) if labels is None else torch.from_numpy(labels)
            return images, known.long(), known.long()

        return Pool(len(dataset), read)

    tested = None if test is None else pool("test", test)
    wrong = np.flatnonzero(noisy)
    drawn = drawn_anchors(tested, pool("train", train), wrong, count, seed, kinds)
    return drawn.images, replace(drawn, images=pictures(drawn.images))


def pictures(anchors: Tensor) -> Tensor:
    """Return inputs (P, 3, ...) as pictures, (P, 3, C, H, W) uint8 with 1 or 3 channels.

    The smallest of all values becomes 0 and the largest 255. Inputs that are no images become a row
    of pixels; channels other than one or three are averaged.
    """
    x = anchors.detach().cpu().float()
    x = x if x.dim() == 5 else x.flatten(2)[:, :, None, None]
    x = x if x.shape[2] in (1, 3) else x.mean(dim=2, keepdim=True)
    low, high = x.min(), x.max()
    return ((x - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)
