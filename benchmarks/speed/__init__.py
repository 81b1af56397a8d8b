"""Time and memory of the whole command, its stages, the metrics and the generation of data."""
