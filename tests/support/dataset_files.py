"""Data sets of a few images, written in the formats in which the real ones come."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10


def images(n: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def labels(n: int) -> np.ndarray:
    return (np.arange(n) % CLASSES).astype(np.uint8)


def write_idx(folder: Path, *, packed: bool = False) -> None:
    """MNIST's IDX files: big-endian magic number, sizes, bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, n, seed in (("train", 40, 0), ("t10k", 20, 1)):
        x, y = images(n, (28, 28), seed), labels(n)
        contents = {
            f"{prefix}-images-idx3-ubyte": struct.pack(">IIII", 0x803, n, 28, 28) + x.tobytes(),
            f"{prefix}-labels-idx1-ubyte": struct.pack(">II", 0x801, n) + y.tobytes(),
        }
        for name, content in contents.items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


def write_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    batches = {f"data_batch_{i}": (8, i) for i in range(1, 6)} | {"test_batch": (20, 9)}
    for name, (n, seed) in batches.items():
        batch = {"data": images(n, (3072,), seed), "labels": labels(n).tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
    meta = {"label_names": [f"class{i}" for i in range(CLASSES)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))


def write_svhn(root: Path) -> None:
    from scipy.io import savemat

    root.mkdir(parents=True)
    for split, n, seed in (("train", 40, 0), ("test", 20, 1)):
        x = images(n, (3, 32, 32), seed).transpose(2, 3, 1, 0)
        y = np.where(labels(n) == 0, 10, labels(n))[:, None]  # SVHN writes the digit 0 as 10
        savemat(root / f"{split}_32x32.mat", {"X": x, "y": y})


def write_picture(
    path: Path, seed: int, size: tuple[int, int] = (12, 9), mode: str = "RGB"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(images(size[1], (size[0], 3), seed)).convert(mode).save(path)


def write_folder(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 5) -> None:
    for c, name in enumerate(classes):
        for i in range(each):
            write_picture(root / name / f"{i}.png", seed=100 * c + i)
