"""Time and memory: of the whole command, of its stages, of the metrics and of the data that is made."""
