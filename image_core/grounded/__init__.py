"""A detector, a masker and words put together: SpARC at inference."""
