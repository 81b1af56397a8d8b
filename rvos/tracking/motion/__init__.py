"""Words of motion: the ways of tracks, the deeds told from them, and which tracks are meant by them."""
