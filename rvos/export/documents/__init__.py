"""Annotation files for other tools, written from the records of a run, without the video."""
