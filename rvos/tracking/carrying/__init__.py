"""Masks of objects carried from frame to frame, without words: by optical flow, by appearance, redrawn by a masker."""
