"""Scenes that make their own pictures, masks and expressions: the embedded data set."""
