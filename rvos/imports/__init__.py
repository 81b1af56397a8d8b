"""Reads masks that other tools wrote as those of a video: one module per format, and one table."""
