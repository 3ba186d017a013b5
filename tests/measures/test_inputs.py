from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset, default_collate

from repdyn.data.images import Labels
from repdyn.errors import UserError
from repdyn.measures.inputs import Inputs, pictures

G = torch.Generator().manual_seed(0)
IMAGES, LABELS = torch.randn(90, 3, 5, 5, generator=G), torch.arange(90) % 3
TRAIN, TEST = TensorDataset(IMAGES[:60], LABELS[:60]), TensorDataset(IMAGES[60:], LABELS[60:])


class Texts(Dataset[dict[str, Any]]):
    """Token ids and masks by name, as tokenizers return them."""

    def __init__(self, n: int, label: str | None = "label") -> None:
        self.n, self.label = n, label

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> dict[str, Any]:
        found = {"input_ids": torch.full((4,), i), "attention_mask": torch.ones(4).long()}
        return found | ({self.label: i % 2} if self.label else {})


def test_only_the_reference_is_needed() -> None:
    inputs = Inputs(torch.randn(5, 2))
    assert inputs.probed is None
    assert (inputs.labels, inputs.anchors, inputs.fine) == (None, None, ())


@pytest.mark.parametrize(
    "as_given",
    [torch.tensor, np.array, list, tuple, lambda x: torch.tensor(x, dtype=torch.int8)],
    ids=["tensor", "array", "list", "tuple", "small integers"],
)
def test_labels_of_any_kind_are_the_same(as_given: Any) -> None:
    inputs = Inputs(
        torch.randn(4, 2), as_given([0, 2, 1, 0]), train=torch.randn(3, 2), train_labels=[0, 4, 1]
    )
    assert inputs.labels is not None
    assert inputs.labels.dtype == np.int64
    assert inputs.labels.tolist() == [0, 2, 1, 0]
    assert inputs.classes == 5
    assert inputs.probed is not None
    assert inputs.probed.noisy.tolist() == [False] * 3
    assert inputs.probed.given_labels.tolist() == [0, 4, 1]


X = torch.randn(4, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": X[:3]}, "reference: 3 inputs; give at least 4"),
        ({"reference": (X, X[:2])}, "reference: the first axis of every tensor must count"),
        ({"reference": {}}, "reference: the first axis"),
        ({"reference": 3}, "reference: "),
        ({"labels": [0, 1]}, "labels: have shape (2,); give one class per input, (4,)"),
        ({"labels": torch.zeros(4, 7).long()}, "labels: have shape (4, 7)"),
        ({"labels": [0.0, 1.5, 1, 0]}, "labels: are float64; give whole numbers"),
        ({"labels": ["a"] * 4}, "labels: are <U1"),
        ({"labels": [0, 1, -100, 1]}, "labels: -100 is no class"),
        ({"labels": [0, 1, 70_000, 1]}, "labels: 70000 is no class"),
        ({"labels": [0, 1, 2, 1], "classes": 2}, "labels: 2 is no class; there are 2, from 0"),
        ({"labels": [0, 1, 2, 1], "class_names": "ab"}, "labels: 2 is no class"),
        ({"class_names": "ab", "classes": 3}, "class_names: 2 names for 3 classes"),
        ({"train_labels": [0, 1]}, "train_labels: are given without their inputs"),
        ({"train": X, "train_labels": [0, 1]}, "train_labels: have shape (2,)"),
        ({"train": X, "train_labels": [0] * 4, "noisy": [True]}, "noisy: must be 4 booleans"),
        ({"train": X, "train_labels": [0] * 4, "noisy": [1] * 4}, "noisy: must be 4 booleans"),
        ({"anchors": torch.randn(2, 2, 5)}, "anchors: have shape (2, 2, 5)"),
        ({"anchors": torch.ones(1, 3, 5).long()}, "anchors: are torch.int64"),
        ({"batch_size": 0}, "batch_size 0: must be at least 1"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        Inputs(**{"reference": X, **arguments})
    assert "\n" not in str(caught.value)


def test_inputs_are_drawn_from_data_sets() -> None:
    inputs = Inputs.from_datasets(TRAIN, TEST, n=9, planes=4)
    reference = inputs.reference
    assert isinstance(reference, Tensor)
    assert reference.shape == (9, 3, 5, 5)
    assert inputs.labels is not None
    assert np.bincount(inputs.labels).tolist() == [3, 3, 3], "each class keeps its share"
    assert inputs.probed is not None
    assert len(inputs.probed.train_labels) == 9
    assert inputs.anchors is not None
    assert inputs.shown is not None
    assert inputs.anchors.shape == (4, 3, 3, 5, 5)
    assert inputs.shown.kinds.tolist() == [0, 1, 0, 1]
    for image, label in zip(
        inputs.anchors.flatten(0, 1), inputs.shown.labels.flatten(), strict=True
    ):
        (place,) = (i for i in range(90) if torch.equal(IMAGES[i], image))
        assert LABELS[place] == label


def test_the_seed_determines_what_is_drawn_and_no_random_state_changes() -> None:
    torch.manual_seed(3)
    random.seed(3)
    states = torch.get_rng_state(), random.getstate()
    a, b, other = (Inputs.from_datasets(TRAIN, TEST, n=9, seed=seed) for seed in (0, 0, 1))
    assert all(isinstance(one.reference, Tensor) for one in (a, b, other))
    assert torch.equal(a.reference, b.reference)  # type: ignore[arg-type] # checked above
    assert not torch.equal(a.reference, other.reference)  # type: ignore[arg-type] # as well
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()


def test_without_a_test_set_nothing_is_both_reference_and_training_input() -> None:
    inputs = Inputs.from_datasets(TRAIN, n=1000, planes=2)
    assert isinstance(inputs.reference, Tensor)
    assert isinstance(inputs.train, Tensor)
    both = torch.cat([inputs.reference, inputs.train])
    assert len(inputs.reference) == len(inputs.train) == 30
    assert len(torch.unique(both.flatten(1), dim=0)) == 60
    assert inputs.shown is not None
    assert inputs.shown.kinds.tolist() == [1, 1]


def test_wrongly_labelled_examples_have_planes_of_their_own() -> None:
    noisy = np.arange(60) < 6
    inputs = Inputs.from_datasets(TRAIN, TEST, n=60, planes=6, noisy=noisy)
    assert inputs.probed is not None
    assert inputs.probed.noisy.tolist() == noisy.tolist()
    assert inputs.shown is not None
    assert inputs.shown.kinds.tolist() == [0, 1, 2, 0, 1, 2]
    assert inputs.anchors is not None
    for plane in (2, 5):
        assert any(torch.equal(inputs.anchors[plane, 0], image) for image in IMAGES[:6])


def test_planes_go_through_examples_of_the_chosen_kinds_alone() -> None:
    inputs = Inputs.from_datasets(TRAIN, TEST, n=9, planes=4, plane_kinds=["train"])
    assert inputs.shown is not None
    assert inputs.shown.kinds.tolist() == [1] * 4
    assert inputs.anchors is not None
    for image in inputs.anchors.flatten(0, 1):
        assert any(torch.equal(image, one) for one in IMAGES[:60])
    with pytest.raises(UserError, match="plane_kinds test: there are no test examples"):
        Inputs.from_datasets(TRAIN, n=9, planes=4, plane_kinds=["test"])


@pytest.mark.parametrize("label", ["label", "labels", "y"])
def test_texts_have_no_planes(label: str) -> None:
    inputs = Inputs.from_datasets(Texts(20, label), Texts(12, label), n=8)
    assert isinstance(inputs.reference, dict)
    assert inputs.reference.keys() == {"input_ids", "attention_mask"}
    ids = inputs.reference["input_ids"][:, 0]
    assert inputs.labels is not None
    assert inputs.labels.tolist() == (ids % 2).tolist()
    assert inputs.anchors is None


def test_without_labels_there_is_nothing_to_probe() -> None:
    inputs = Inputs.from_datasets(Texts(20, None), Texts(12, None), n=8)
    assert (inputs.labels, inputs.probed) == (None, None)
    images = Inputs.from_datasets(TensorDataset(IMAGES), n=8)
    assert isinstance(images.reference, Tensor)
    assert (images.probed, images.anchors) == (None, None)


def test_next_tokens_are_not_classes() -> None:
    def collate(examples: Sequence[Any]) -> dict[str, Any]:
        batch: dict[str, Any] = default_collate(list(examples))
        return {**batch, "labels": batch["input_ids"]}

    inputs = Inputs.from_datasets(Texts(20, None), n=8, collate_fn=collate)
    assert isinstance(inputs.reference, dict)
    assert "labels" not in inputs.reference
    assert inputs.labels is None


def test_examples_that_make_no_batch_ask_for_a_collate_fn() -> None:
    ragged = [(torch.randn(3 + i % 2), 0) for i in range(20)]
    with pytest.raises(UserError, match=r"train: its examples make no batch .*give a collate_fn"):
        Inputs.from_datasets(ragged, n=8)
    with pytest.raises(UserError, match="it must return a tensor, a tuple or a mapping"):
        Inputs.from_datasets(ragged, n=8, collate_fn=lambda _: "text")


@pytest.mark.parametrize("shape", [(2, 3, 3, 4, 4), (2, 3, 1, 4, 4), (2, 3, 7, 4, 4), (2, 3, 6)])
def test_pictures_show_the_whole_range(shape: tuple[int, ...]) -> None:
    shown = pictures(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert shown.dtype == torch.uint8
    assert shown.dim() == 5
    assert shown.shape[2] in (1, 3, shape[2]) or len(shape) == 3
    assert (int(shown.min()), int(shown.max())) == (0, 255)


def test_listed_classes_are_found_where_data_sets_keep_them() -> None:
    class Listed(Dataset[tuple[Tensor, int]]):
        targets: Labels = np.repeat([0, 1], [36, 4])

        def __len__(self) -> int:
            return 40

        def __getitem__(self, i: int) -> tuple[Tensor, int]:
            return IMAGES[i], int(self.targets[i])

    inputs = Inputs.from_datasets(Listed(), Listed(), n=10, planes=0)
    assert inputs.labels is not None
    assert np.bincount(inputs.labels).tolist() == [9, 1]


def test_sets_without_a_length_or_with_names_of_classes() -> None:
    with pytest.raises(
        UserError, match=r"train: has no length; give a data set with len and \[i\]"
    ):
        Inputs.from_datasets(iter(TRAIN))
    with pytest.raises(UserError, match="test: has no length"):
        Inputs.from_datasets(TRAIN, iter(TEST))

    class Named(TensorDataset):
        classes: Any = ("ant", "bee", "cat")

    named = Named(IMAGES, LABELS)
    assert Inputs.from_datasets(named, n=9, planes=0).class_names == ("ant", "bee", "cat")
    named.classes = 3
    assert Inputs.from_datasets(named, n=9, planes=0).class_names == ()
