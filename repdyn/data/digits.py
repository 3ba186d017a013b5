"""scikit-learn's digits: 1,797 images of 8×8 pixels, available wherever MLflow is installed."""

from __future__ import annotations

from functools import partial

import numpy as np

from repdyn.data.images import Source

TRAIN = 1000
SPLIT_SEED = 0
"""The split is a property of the data set, not of a run: the data seed does not change it."""


def digits() -> Source:
    """Return digits, split by class into 1,000 training and 797 test images."""
    # a second of imports, rich among them, that a loop of one's own does without
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    # 0..16 → 0..255
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = found.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), train_size=TRAIN, stratify=labels, random_state=SPLIT_SEED
    )
    return Source(
        place="scikit-learn",
        classes=tuple(str(name) for name in found.target_names),
        train_labels=labels[train],
        test_labels=labels[test],
        train_images=partial(np.take, images[train], axis=0),
        test_images=partial(np.take, images[test], axis=0),
    )
