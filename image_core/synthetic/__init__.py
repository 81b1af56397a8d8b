"""Scenes that make their own images, masks and expressions: the embedded data set."""
