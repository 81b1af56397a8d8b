"""Learning with few masks: boxes from words without box labels (SpARC)."""
