"""The decoded images of a folder: the same as in memory, whole or absent, and of these files."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from repdyn.data import ImageData, MappedImages, anchors, image_cache, load_data, mapped, placed
from repdyn.data.cache_files import homes, kept, lock, remove
from repdyn.data.mapped import MappedFile
from repdyn.data.picture import decoded
from repdyn.errors import UserError
from repdyn.settings.schema import DataConfig, OptimConfig
from repdyn.training.loop import Trainer, TrainingData
from tests.support import dataset_files as files
from tests.support.forked import ForkedProcess

SIDE = 8


class Told:
    """Notes what a data set says while it is read."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done: dict[str, list[int]] = {}

    def remark(self, text: str) -> None:
        self.lines.append(text)

    def notice(self, text: str) -> None:
        self.lines.append(f"notice: {text}")

    def decoding(self, what: str, images: int) -> AbstractContextManager[Callable[[int], object]]:
        self.done[what] = [images]
        return nullcontext(self.done[what].append)


@pytest.fixture(autouse=True)
def _users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files.write_folder(tmp_path / "data" / "train", each=9)
    files.write_folder(tmp_path / "data" / "val", each=3)
    return tmp_path / "data"


def load(root: Path, told: Told | None = None, train_size: int | None = None) -> ImageData:
    config = DataConfig(
        dataset=f"imagefolder:{root}", image_size=SIDE, label_noise=0.0, train_size=train_size
    )
    return load_data(config, told)


def pixels(data: ImageData) -> tuple[bytes, bytes]:
    train, test = (x[:].numpy().tobytes() for x in (data.train_images, data.test_images))
    return train, test


def in_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> ImageData:
    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "homes", lambda root: ())
        data = load(root)
    assert isinstance(data.train_images, Tensor)
    return data


def beside(root: Path) -> list[str]:
    """Return the names of the kept files; the lock file may stay."""
    there = homes(root)[0].glob("*")
    return sorted(path.suffix for path in there if path.suffix != ".lock")


def trained(data: ImageData) -> dict[str, Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    cpu = torch.device("cpu")
    where = TrainingData(
        placed(data.train_images, cpu),
        data.given_labels,
        data.noisy,
        placed(data.test_images, cpu),
        data.test_labels,
        data.mean,
        data.std,
    )
    how = OptimConfig(lr=0.1)
    trainer = Trainer(net, where, how, epochs=3, batch_size=5, augment="crop-flip")
    results = [
        torch.tensor([epoch.train_loss, epoch.train_acc, epoch.test_loss, epoch.test_acc])
        for epoch in trainer
    ]
    return net.state_dict() | {"results": torch.stack(results)}


def test_training_from_the_cache_is_training_from_memory_bit_for_bit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, cached = in_memory(root, monkeypatch), load(root)
    assert isinstance(cached.train_images, MappedImages)
    assert pixels(held) == pixels(cached)
    assert torch.equal(held.mean, cached.mean)
    assert torch.equal(held.std, cached.std)
    assert torch.equal(anchors(held, 4, 0).images, anchors(cached, 4, 0).images)
    once, again = trained(held), trained(cached)
    assert [name for name in once if not torch.equal(once[name], again[name])] == []


def test_images_are_decoded_once_with_progress(root: Path) -> None:
    told, again = Told(), Told()
    first = load(root, told)
    assert told.done == {"decoding": [24, 24]}
    assert [f"into {homes(root)[0]}" in line for line in told.lines] == [True]
    assert beside(root) == [".index", ".npy"]
    assert pixels(load(root, again)) == pixels(first)
    assert (again.done, again.lines) == ({}, [])


def test_held_out_images_of_another_seed_come_from_the_same_cache(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "data", each=10)
    splits = []
    for seed in (0, 1):
        told = Told()
        config = DataConfig(dataset=f"imagefolder:{tmp_path / 'data'}", image_size=SIDE)
        config = DataConfig(**(vars(config) | {"data_seed": seed, "label_noise": 0.0}))
        splits.append(load_data(config, told))
        assert bool(told.done) == (seed == 0)
    tests = [{x.numpy().tobytes() for x in data.test_images[:]} for data in splits]
    assert tests[0] != tests[1]


def changed(root: Path) -> None:
    """Replace an image by another of the same size, with the time of the first."""
    path = root / "train/cat/0.png"
    before = path.stat()
    other = np.array(Image.open(path))
    for flip in (other[::-1], other[:, ::-1], 255 - other):
        Image.fromarray(flip).save(path)
        with path.open("ab") as file:  # what follows a PNG's end does not count
            file.write(bytes(max(0, before.st_size - path.stat().st_size)))
        if path.stat().st_size == before.st_size:
            break
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def removed(root: Path) -> None:
    (root / "train/cat/3.png").unlink()


def added(root: Path) -> None:
    files.write_picture(root / "train/dog/a.PNG", seed=7)


def renamed(root: Path) -> None:
    (root / "train/cat/3.png").rename(root / "train/dog/x.png")


@pytest.mark.parametrize("change", [changed, removed, added, renamed])
def test_a_change_of_the_folder_is_seen(
    change: Callable[[Path], None], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pixels(load(root))
    change(root)
    told = Told()
    after = load(root, told)
    assert "decoding" in told.done
    assert pixels(after) != before
    assert pixels(after) == pixels(in_memory(root, monkeypatch))
    assert beside(root) == [".index", ".npy"]


def test_a_copied_folder_is_checked_by_content_and_not_decoded(root: Path, tmp_path: Path) -> None:
    before = load(root)
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    for path in copy.rglob("*.png"):
        os.utime(path, (0, 0))
    shutil.copytree(homes(root)[0], homes(copy)[0])
    told, again = Told(), Told()
    assert pixels(load(copy, told)) == pixels(before)
    assert list(told.done) == ["checking"]
    load(copy, again)
    assert again.done == {}


def whole_index(folder: Path) -> None:
    (folder / f"{SIDE}px.index").write_bytes(b"\x08" + bytes(40))


def no_index(folder: Path) -> None:
    (folder / f"{SIDE}px.index").unlink()


def short_images(folder: Path) -> None:
    (path,) = folder.glob("*.npy")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def other_images(folder: Path) -> None:
    (path,) = folder.glob("*.npy")
    np.save(path, np.zeros((24, 3, SIDE, SIDE), np.uint16))


def no_images(folder: Path) -> None:
    (path,) = folder.glob("*.npy")
    path.unlink()


def fewer_rows(folder: Path) -> None:
    (path,) = folder.glob("*.npy")
    np.save(path, np.zeros((23, 3, SIDE, SIDE), np.uint8))


@pytest.mark.parametrize(
    "damage", [whole_index, no_index, short_images, other_images, no_images, fewer_rows]
)
def test_a_damaged_cache_is_none(damage: Callable[[Path], None], root: Path) -> None:
    before = pixels(load(root))
    damage(homes(root)[0])
    told = Told()
    assert pixels(load(root, told)) == before
    assert told.done == {"decoding": [24, 24]}
    assert beside(root) == [".index", ".npy"]


def test_unreadable_images_are_all_named_and_nothing_is_left(root: Path) -> None:
    for name in ("cat/1.png", "cat/8.png", "dog/0.png", "dog/2.png"):
        (root / "train" / name).write_bytes(b"no picture")
    said = r"train/cat/1\.png: not a readable image; fix or remove it, and 3 more: .*cat/8.*dog/0"
    with pytest.raises(UserError, match=said):
        load(root)
    assert beside(root) == []


def test_a_stop_while_decoding_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: object) -> Iterator[object]:
        yield next(decoded(*args))  # type: ignore[arg-type]  # passed on
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "decoded", stopped)
        with pytest.raises(KeyboardInterrupt):
            load(root)
    assert beside(root) == []
    assert isinstance(load(root).train_images, MappedImages)


def test_a_full_disk_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> Iterator[object]:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(image_cache, "decoded", full)
    with pytest.raises(UserError, match="the disk became full while decoded images were written"):
        load(root)
    assert beside(root) == []


def test_two_at_once_decode_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks exclude threads as they do processes."""
    started, told = [0], [Told(), Told()]

    def slowly(*args: object) -> Iterator[object]:
        started[0] += 1
        time.sleep(0.3)
        yield from decoded(*args)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(image_cache, "decoded", slowly)
    found: list[tuple[bytes, bytes]] = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(pixels(load(root, one))))
        for one in told
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert started == [1]
    assert len(set(found)) == 1
    assert sum("waiting for another process" in line for one in told for line in one.lines) == 1


def test_a_folder_that_cannot_be_written_falls_back_to_the_users_cache(root: Path) -> None:
    first, second = homes(root)
    first.write_bytes(b"")  # root may write into any folder, but not into a file
    told, again = Told(), Told()
    before = load(root, told)
    assert f"into {second}" in told.lines[0]
    assert f"{first}: " in told.lines[0]
    assert pixels(load(root, again)) == pixels(before)
    assert (again.done, again.lines) == ({}, [])


def test_without_a_folder_that_can_be_written_images_are_in_memory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in homes(root):
        one.parent.mkdir(parents=True, exist_ok=True)
        one.write_bytes(b"")
    told = Told()
    data = load(root, told)
    assert isinstance(data.train_images, Tensor)
    assert len([line for line in told.lines if "cannot be kept" in line]) == 1
    monkeypatch.setattr("repdyn.memory.available_memory", lambda: 100)
    with pytest.raises(UserError, match=r"18 images of 8×8 pixels: .* of memory needed, only"):
        load(root)


def test_too_small_a_disk_is_no_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
    told = Told()
    load(root, told)
    assert f"{homes(root)[0]}: 1e-06 GB free" in told.lines[0]


def test_a_cache_that_others_made_is_read_where_nothing_can_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pixels(load(root))

    def refused(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(image_cache, "lock", refused)
    assert pixels(load(root)) == before


def test_a_few_images_are_decoded_without_a_cache_or_read_from_it(root: Path) -> None:
    told = Told()
    few = load(root, told, train_size=4)
    assert isinstance(few.train_images, Tensor)
    assert not kept(root)
    load(root)
    told = Told()
    cached = load(root, told, train_size=4)
    assert isinstance(cached.train_images, MappedImages)
    assert told.done == {}
    assert pixels(cached) == pixels(few)
    assert torch.equal(cached.mean, few.mean)


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(2, 9, 3),
        torch.tensor([5, 1, 1]),
        np.array([3, 0]),
        torch.tensor([[0, 1], [4, 4]]),
        torch.tensor([], dtype=torch.int64),
    ],
    ids=str,
)
def test_images_of_a_file_are_indexed_as_a_tensor_is(
    index: object, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, cached = in_memory(root, monkeypatch).train_images, load(root).train_images
    expected, found = held[index], cached[index]  # type: ignore[index]  # either kind of images
    assert found.shape == expected.shape
    assert torch.equal(found, expected)
    found += 1  # it is a copy
    assert not torch.equal(cached[index], found) or not found.numel()  # type: ignore[index]  # either kind


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is resident")
def test_what_was_read_does_not_stay_resident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "MOST_RESIDENT", 2**22)
    path = tmp_path / "images.npy"
    np.save(path, np.ones((1000, 3, 128, 128), np.uint8))  # 49 MB
    file = MappedFile(path)
    rows = MappedImages(file, np.arange(1000), np.zeros((1000, 2, 3), np.int64))
    for batch in rows.ahead(torch.randperm(1000).split(20), torch.device("cpu")):
        assert bool((batch == 1).all())
    assert resident(path) < 2**23


def resident(path: Path) -> int:
    """Return the bytes of a mapped file that are resident."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(path)):
            return next(int(row.split()[1]) * 1024 for row in lines if row.startswith("Rss:"))
    raise AssertionError("it is not mapped")


def test_a_cache_is_listed_and_removed(root: Path) -> None:
    data = load(root)
    (found,) = kept(root)
    assert (found.folder, found.sides) == (homes(root)[0], {SIDE: 24})
    assert found.size > 24 * 3 * SIDE**2
    with lock(found.folder, SIDE), pytest.raises(UserError, match="another process writes"):
        remove(root)
    (found.folder / f"{SIDE}px-killed.part").write_bytes(b"x")
    before = pixels(data)
    remove(root)
    assert not found.folder.exists()
    assert pixels(data) == before  # what is being trained goes on
    assert kept(root) == []


WAITING = """
import sys
from repdyn.data import image_cache, load_data
from repdyn.data.progress import Silent
from repdyn.settings.schema import DataConfig

class Printing(Silent):
    def remark(self, text):
        print(text, flush=True)

decoded = image_cache.decoded
def forever(*args):
    print("decoding", flush=True)
    yield next(decoded(*args))
    sys.stdin.read()

reading = Printing()
if sys.argv[2] == "wait":
    image_cache.decoded, reading = forever, Silent()
config = DataConfig(dataset=f"imagefolder:{sys.argv[1]}", image_size=8, label_noise=0.0)
print(load_data(config, reading).train_images.channel_sums().tolist())
"""


def in_process(root: Path, how: str) -> ForkedProcess:
    return ForkedProcess(["-c", WAITING, str(root), how], root, os.environ)


@pytest.mark.slow
def test_a_killed_process_leaves_no_cache_and_the_one_that_waits_makes_it(root: Path) -> None:
    first = in_process(root, "wait")
    assert first.stdout.readline() == "decoding\n"
    second = in_process(root, "go")
    assert "waiting for another process" in second.stdout.readline()
    assert beside(root) == [".part"]
    first.kill()
    first.communicate()
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    data = load(root)
    assert isinstance(data.train_images, MappedImages)
    assert said.endswith(f"{data.train_images.channel_sums().tolist()}\n")
    assert beside(root) == [".index", ".npy"]
