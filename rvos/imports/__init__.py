"""Masks that other tools keep, read as those of a video: one file a format, one table."""
