"""The widgets of the screens: heatmaps, curves and decision regions drawn with characters."""
