"""Deciders, which choose the tracks that an expression means after the whole video was processed."""
