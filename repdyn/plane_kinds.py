"""The kinds of planes. Without arrays: settings name them, and the screen's first frame loads settings."""

PLANE_KINDS = ("test", "train", "noisy")
"""Where a plane's three anchor images come from: test images, training images, or training images
of which at least one carries a flipped label."""
