"""Code that all benchmarks share: command line, header of a result, rows that are resumed, clips, systems, scores."""
