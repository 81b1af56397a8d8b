"""Referring image segmentation: still images and language. Knows nothing of video (see `rvos`)."""
