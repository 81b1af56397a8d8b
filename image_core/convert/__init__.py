"""Converts published checkpoints to ours. A file a project: a table of key patterns, and model sizes from shapes."""
