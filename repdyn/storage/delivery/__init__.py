"""Sends data to a store, in order, off the training thread."""
