"""Every setting: its schema, defaults, files and sweep grids."""
