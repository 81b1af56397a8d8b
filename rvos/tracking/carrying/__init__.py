"""Carries masks of objects from frame to frame, without words: by optical flow, by appearance, and by a masker."""
