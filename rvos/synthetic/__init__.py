"""Synthetic videos with frames, masks and expressions, which measure the gain by processing a video in time."""
