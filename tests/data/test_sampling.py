"""What the data seed fixes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from repdyn.data import ImageData, anchors, probe_images, probe_train
from repdyn.data.sampling import Purpose, stratified, stream, with_symmetric_noise
from repdyn.errors import SettingError, UserError
from repdyn.plane_kinds import PLANE_KINDS

seeds = st.integers(0, 1000)


def data_set(noise: float = 0.2, n: int = 90, *, flat: bool = False) -> ImageData:
    rng = np.random.default_rng(0)
    pixels = np.full((n, 1, 4, 4), 7) if flat else rng.integers(0, 256, (n, 1, 4, 4))
    images = torch.from_numpy(pixels.astype(np.uint8))
    true = (np.arange(n) % 3).astype(np.int64)
    given_labels = with_symmetric_noise(true, noise, 3, 0)
    return ImageData(
        name="made",
        source="here",
        train_images=images,
        given_labels=torch.from_numpy(given_labels),
        true_labels=torch.from_numpy(true),
        test_images=255 - images,
        test_labels=torch.from_numpy(true),
        classes=("a", "b", "c"),
        mean=torch.zeros(1),
        std=torch.ones(1),
    )


@given(seed=seeds, share=st.floats(0, 0.99), classes=st.integers(2, 20), n=st.integers(1, 200))
def test_noise_moves_exactly_the_share_and_never_onto_the_true_class(
    seed: int, share: float, classes: int, n: int
) -> None:
    true = np.random.default_rng(seed).integers(0, classes, n)
    given_labels = with_symmetric_noise(true, share, classes, seed)
    assert int((given_labels != true).sum()) == round(share * n)
    assert given_labels.min() >= 0
    assert given_labels.max() < classes


def test_noise_is_symmetric() -> None:
    true = np.zeros(30_000, dtype=np.int64)
    moved = with_symmetric_noise(true, 0.9, 4, seed=1)
    counts = np.bincount(moved[moved > 0], minlength=4)[1:]
    # binomial with p = 1/3: five standard deviations
    assert np.abs(counts - 9000).max() < 5 * np.sqrt(27_000 * (1 / 3) * (2 / 3))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), share=st.floats(0, 1), seed=seeds
)
def test_a_stratified_subset_keeps_each_class_to_within_one(
    sizes: list[int], share: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = round(share * len(labels))
    chosen = stratified(labels, count, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == count
    assert (np.diff(chosen) > 0).all()
    got = np.bincount(labels[chosen], minlength=len(sizes))
    assert np.abs(got - np.array(sizes) * count / len(labels)).max() < 1


def test_purposes_draw_from_streams_of_their_own() -> None:
    draws = {tuple(stream(3, purpose).integers(0, 2**31, 4)) for purpose in Purpose}
    assert len(draws) == len(Purpose)


def test_probe_images_are_all_test_images_where_fewer_are_there() -> None:
    assert probe_images(data_set(), 1000, 0).tolist() == list(range(90))


def test_probe_sets_are_drawn_by_the_seed() -> None:
    data = data_set()
    assert probe_train(data, 30, 0).tolist() == probe_train(data, 30, 0).tolist()
    assert probe_train(data, 30, 0).tolist() != probe_train(data, 30, 1).tolist()


def test_planes_come_in_turn_from_test_training_and_noisy_images() -> None:
    data = data_set()
    drawn = anchors(data, 9, seed=0)
    assert drawn.kinds.tolist() == [0, 1, 2] * 3
    flipped = (drawn.labels != drawn.true_labels).numpy()
    assert not flipped[drawn.kinds.numpy() == 0].any()
    assert flipped[drawn.kinds.numpy() == 2].any(axis=1).all()
    test = {image.numpy().tobytes() for image in data.test_images[:]}
    train = {image.numpy().tobytes() for image in data.train_images[:]}
    for images, kind in zip(drawn.images, drawn.kinds.tolist(), strict=True):
        assert len({image.numpy().tobytes() for image in images}) == 3
        assert {image.numpy().tobytes() for image in images} <= (train if kind else test)


KINDS = [kinds for n in (1, 2, 3) for kinds in itertools.combinations(PLANE_KINDS, n)]


@pytest.mark.parametrize("kinds", KINDS)
def test_planes_of_chosen_kinds_come_in_turn_from_these_alone(kinds: tuple[str, ...]) -> None:
    data, count = data_set(), 7
    drawn = anchors(data, count, 0, kinds[::-1])
    assert [PLANE_KINDS[i] for i in drawn.kinds] == [kinds[i % len(kinds)] for i in range(count)]
    flipped = (drawn.labels != drawn.true_labels).numpy()
    test, train = (
        {
            (x.numpy().tobytes(), int(y), int(z))
            for x, y, z in zip(images, given_labels, true, strict=True)
        }
        for images, given_labels, true in (
            (data.test_images[:], data.test_labels, data.test_labels),
            (data.train_images[:], data.given_labels, data.true_labels),
        )
    )
    assert not test & train
    for plane in range(count):
        kind = PLANE_KINDS[int(drawn.kinds[plane])]
        spanned_by = {
            (
                drawn.images[plane, i].numpy().tobytes(),
                int(drawn.labels[plane, i]),
                int(drawn.true_labels[plane, i]),
            )
            for i in range(3)
        }
        assert len(spanned_by) == 3
        assert spanned_by <= (test if kind == "test" else train)
        assert kind != "noisy" or flipped[plane].any()


def test_all_kinds_are_those_that_there_are() -> None:
    every, some = data_set(), data_set(noise=0)
    assert torch.equal(anchors(every, 5, 0).images, anchors(every, 5, 0, PLANE_KINDS).images)
    two = anchors(some, 5, 0, ["train", "test"])
    assert torch.equal(anchors(some, 5, 0).images, two.images)


def test_kinds_that_there_are_not_are_told() -> None:
    with pytest.raises(SettingError, match="plane_kinds noisy: no training label is wrong"):
        anchors(data_set(noise=0), 3, 0, ["noisy"])
    with pytest.raises(SettingError, match="plane_kinds odd: unknown"):
        anchors(data_set(), 3, 0, ["odd"])


def test_anchors_carry_the_labels_of_their_images() -> None:
    data = data_set()
    given_of = {
        x.numpy().tobytes(): int(y)
        for x, y in zip(data.train_images[:], data.given_labels, strict=True)
    }
    drawn = anchors(data, 9, seed=0)
    for images, labels, kind in zip(drawn.images, drawn.labels, drawn.kinds.tolist(), strict=True):
        if kind:
            assert [given_of[x.numpy().tobytes()] for x in images] == labels.tolist()


def test_without_noise_there_are_no_planes_of_noisy_images() -> None:
    assert anchors(data_set(noise=0), 4, seed=0).kinds.tolist() == [0, 1, 0, 1]


def test_more_planes_leave_the_first_ones_as_they_were() -> None:
    few, many = anchors(data_set(), 3, seed=5), anchors(data_set(), 9, seed=5)
    assert torch.equal(few.images, many.images[:3])


def test_images_that_are_all_the_same_span_no_plane() -> None:
    with pytest.raises(UserError, match="span a plane"):
        anchors(data_set(flat=True), 3, seed=0)
