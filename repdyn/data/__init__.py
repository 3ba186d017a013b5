"""A data set as tensors: images, given labels, true labels; the fixed probe images and planes."""

from repdyn.data.images import ImageData
from repdyn.data.load import image_shape, load_data
from repdyn.data.sampling import Anchors, anchors, probe_images, probe_train

__all__ = [
    "Anchors",
    "ImageData",
    "anchors",
    "image_shape",
    "load_data",
    "probe_images",
    "probe_train",
]
