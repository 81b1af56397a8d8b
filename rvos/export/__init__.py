"""The outputs of a run: the log of results, images, videos, documents for other tools, and their paths."""
