"""What the screen and the reports share: scales, axes, colours, wording."""
