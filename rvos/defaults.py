"""The parts of a video system where none are named: those that won (benchmarks/gain/video_gain.py). Light to import."""

PROPAGATION = "none"
TRACKER = "memory"
