"""Words of motion: the trajectories of tracks, motions measured on them, and the tracks that are meant by them."""
