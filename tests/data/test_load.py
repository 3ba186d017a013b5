"""Data sets: the embedded one, torchvision's formats, folders; and what is wrong with them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision import datasets

from repdyn.data import image_shape, load_data, vision
from repdyn.data.images import ImageData, Source
from repdyn.errors import UserError
from repdyn.settings.schema import DataConfig
from tests.support import dataset_files as files


def load(**settings: Any) -> ImageData:
    return load_data(DataConfig(**({"label_noise": 0.0} | settings)))


@pytest.fixture(autouse=True)
def _nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refused)


@pytest.fixture
def any_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files cannot have the checksums of the real ones."""
    names = [name for name, _ in datasets.CIFAR10.train_list]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, None] for name in names])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": None})
    for split in ("train", "test"):
        url, name, _ = datasets.SVHN.split_list[split]
        monkeypatch.setitem(datasets.SVHN.split_list, split, [url, name, None])


def test_digits_are_scikit_learns_split_by_class() -> None:
    data = load(label_noise=0.15)
    assert data.train_images.shape == (1000, 1, 8, 8)
    assert data.test_images.shape == (797, 1, 8, 8)
    assert int(data.noisy.sum()) == 150
    found = load_digits()
    expected = sorted(np.round(x * 255 / 16).astype(np.uint8).tobytes() for x in found.images)
    ours = sorted(
        x.numpy().tobytes() for x in torch.cat([data.train_images[:], data.test_images[:]])
    )
    assert ours == expected
    shares = np.bincount(data.true_labels.numpy()) / 1000
    np.testing.assert_allclose(shares, np.bincount(found.target) / 1797, atol=1e-3)


def test_the_data_seed_moves_the_noise_and_not_the_split() -> None:
    a, b = load(label_noise=0.15), load(label_noise=0.15, data_seed=1)
    assert torch.equal(a.train_images[:], b.train_images[:])
    assert not torch.equal(a.noisy, b.noisy)


def test_moments_are_those_of_the_training_images() -> None:
    data = load(train_size=300)
    pixels = data.train_images[:].numpy().astype(np.float64) / 255
    np.testing.assert_allclose(data.mean.numpy(), pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std.numpy(), pixels.std((0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")]
)
def test_idx_files_in_the_data_folder(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, "DEBIAN_FASHION_MNIST", tmp_path / "none")
    files.write_idx(tmp_path / folder / "raw")
    data = load(dataset=name, data_dir=tmp_path)
    np.testing.assert_array_equal(data.train_images[:][:, 0].numpy(), files.images(40, (28, 28), 0))
    assert data.test_labels.tolist() == files.labels(20).tolist()
    assert len(data.classes) == 10


def test_fashion_mnist_where_debian_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_idx(tmp_path / "debian", packed=True)
    monkeypatch.setattr(vision, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    data = load(dataset="fashion-mnist", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(data.test_images[:][:, 0].numpy(), files.images(20, (28, 28), 1))
    assert data.source == str(tmp_path / "debian")
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("any_checksum")
def test_cifar10_batches(tmp_path: Path) -> None:
    files.write_cifar10(tmp_path)
    data = load(dataset="cifar10", data_dir=tmp_path)
    assert data.train_images.shape == (40, 3, 32, 32)
    expected = files.images(8, (3072,), 1).reshape(8, 3, 32, 32)
    np.testing.assert_array_equal(data.train_images[:8].numpy(), expected)
    assert data.classes[3] == "class3"


@pytest.mark.usefixtures("any_checksum")
def test_svhn_matrices(tmp_path: Path) -> None:
    files.write_svhn(tmp_path / "SVHN")
    data = load(dataset="svhn", data_dir=tmp_path)
    np.testing.assert_array_equal(data.train_images[:].numpy(), files.images(40, (3, 32, 32), 0))
    assert data.true_labels.tolist() == files.labels(40).tolist()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"])
def test_a_missing_data_set_names_folder_and_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, "DEBIAN_FASHION_MNIST", tmp_path / "none")
    with pytest.raises(UserError, match="the download failed; put") as raised:
        load(dataset=name, data_dir=tmp_path / "data")
    assert str(tmp_path / "data") in str(raised.value)
    assert vision.VISION_SETS[name].files[0] in str(raised.value)
    assert not (tmp_path / "data").exists()


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    files.write_idx(raw)
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"{raw}: damaged"):
        load(dataset="mnist", data_dir=tmp_path)


def test_labels_that_do_not_fit_the_images_are_damage(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    files.write_idx(raw)
    shutil.copy(raw / "t10k-labels-idx1-ubyte", raw / "train-labels-idx1-ubyte")
    with pytest.raises(UserError, match="damaged"):
        load(dataset="mnist", data_dir=tmp_path)


def test_a_folder_with_splits(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "train")
    files.write_folder(tmp_path / "val", each=2)
    data = load(dataset=f"imagefolder:{tmp_path}", image_size=8)
    assert data.train_images.shape == (10, 3, 8, 8)
    assert data.test_images.shape == (4, 3, 8, 8)
    assert data.classes == ("cat", "dog")
    assert data.true_labels.tolist() == [0] * 5 + [1] * 5


def test_tiny_imagenet_as_it_is_unpacked(tmp_path: Path) -> None:
    for c, name in enumerate(("n01", "n02")):
        for i in range(3):
            files.write_picture(
                tmp_path / "train" / name / "images" / f"{name}_{i}.JPEG", seed=10 * c + i
            )
    files.write_picture(tmp_path / "val/images/val_0.JPEG", seed=50)
    files.write_picture(tmp_path / "val/images/val_1.JPEG", seed=51, mode="L")
    (tmp_path / "val/val_annotations.txt").write_text(
        "val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n"
    )
    data = load(dataset=f"imagefolder:{tmp_path}", image_size=8)
    assert data.classes == ("n01", "n02")
    assert data.test_labels.tolist() == [1, 0]
    assert data.train_images.shape == (6, 3, 8, 8)


def test_a_folder_of_classes_holds_a_fifth_out(tmp_path: Path) -> None:
    files.write_folder(tmp_path, each=10)
    data = load(dataset=f"imagefolder:{tmp_path}", image_size=8)
    assert np.bincount(data.true_labels.numpy()).tolist() == [8, 8]
    assert np.bincount(data.test_labels.numpy()).tolist() == [2, 2]
    seen = {x.numpy().tobytes() for x in data.train_images[:]}
    assert not seen & {x.numpy().tobytes() for x in data.test_images[:]}


def test_images_are_cropped_about_their_centre(tmp_path: Path) -> None:
    files.write_folder(tmp_path)
    wide = np.zeros((8, 24, 3), dtype=np.uint8)
    wide[:, 8:16] = (10, 200, 30)
    from PIL import Image

    for path in sorted(tmp_path.rglob("*.png")):
        Image.fromarray(wide).save(path)
    data = load(dataset=f"imagefolder:{tmp_path}", image_size=8)
    assert data.train_images[:].unique(dim=0).shape[0] == 1
    assert data.train_images[0].float().mean((1, 2)).tolist() == [10, 200, 30]


def test_only_the_images_of_the_subset_are_read(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "train", each=4)
    files.write_folder(tmp_path / "test", each=1)
    kept = load(dataset=f"imagefolder:{tmp_path}", image_size=8, train_size=4)
    assert len(kept.train_images) == 4
    for path in sorted((tmp_path / "train").rglob("*.png")):
        path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="not a readable image"):
        load(dataset=f"imagefolder:{tmp_path}", image_size=8, train_size=4)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"dataset": "digts"},
            "dataset digts: there is no such data set; did you mean digits",
        ),
        ({"dataset": "qqq"}, "choose from digits, mnist"),
        ({"dataset": "imagefolder"}, "write imagefolder:PATH"),
        ({"dataset": "imagefolder:/no/such", "image_size": 8}, "no such folder"),
        ({"train_size": 1001}, "digits has only 1000 training images"),
        ({"image_size": 32}, "only image folders are resized"),
    ],
)
def test_what_cannot_be_met_is_said(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(**settings)


@pytest.mark.parametrize(("classes", "taken"), [(300, True), (65_536, True), (65_537, False)])
def test_up_to_65536_classes_are_taken(
    classes: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(classes)

    def drawn(indices: np.ndarray) -> np.ndarray:
        return np.arange(len(indices) * 2, dtype=np.uint8).reshape(-1, 1, 1, 2)

    names = tuple(f"class {i}" for i in range(classes))
    source = Source("nowhere", names, labels, labels, drawn, drawn)
    monkeypatch.setattr("repdyn.data.load.digits", lambda: source)
    if taken:
        assert int(load().given_labels.max()) == classes - 1
    else:
        with pytest.raises(UserError, match="digits: 65,537 classes; repdyn supports 2 to 65,536"):
            load()


def test_a_folder_with_too_few_classes_or_splits(tmp_path: Path) -> None:
    one = tmp_path / "one"
    files.write_folder(one, classes=("cat",))
    with pytest.raises(UserError, match="1 classes; repdyn supports 2 to 65,536"):
        load(dataset=f"imagefolder:{one}", image_size=8)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="no images in class folders"):
        load(dataset=f"imagefolder:{empty}", image_size=8)
    lonely = tmp_path / "lonely"
    files.write_folder(lonely / "train")
    with pytest.raises(UserError, match="neither val/ nor test/"):
        load(dataset=f"imagefolder:{lonely}", image_size=8)
    files.write_folder(lonely / "val", classes=("cat", "horse"))
    with pytest.raises(UserError, match="horse"):
        load(dataset=f"imagefolder:{lonely}", image_size=8)


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1, 8)), ("cifar10", (3, 32)), ("imagefolder:x", (3, 64))]
)
def test_shapes_are_known_without_reading(name: str, shape: tuple[int, int]) -> None:
    assert image_shape(DataConfig(dataset=name)) == shape
