"""Evidence over time: which track is meant, and whether the target is there."""
