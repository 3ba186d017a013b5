"""A data set as tensors: images, given labels, true labels; fixed reference images and planes."""

from repdyn.data.images import ImageData
from repdyn.data.load import SHAPES, image_shape, load_data, place
from repdyn.data.mapped import MappedImages, Pixels, placed
from repdyn.data.sampling import Anchors, anchors, probe_images, probe_train

__all__ = [
    "SHAPES",
    "Anchors",
    "ImageData",
    "MappedImages",
    "Pixels",
    "anchors",
    "image_shape",
    "load_data",
    "place",
    "placed",
    "probe_images",
    "probe_train",
]
