"""What the screens are made of: heatmaps, curves and decision regions drawn with characters."""
