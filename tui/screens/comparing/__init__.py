"""The parts of Compare: how runs are linked, its views, and its table."""
