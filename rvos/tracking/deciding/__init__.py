"""Deciders: they judge, after a video was watched, which of its tracks an expression means."""
