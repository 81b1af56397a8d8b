"""Published checkpoints into ours, a file a project: a table of key patterns, and what its shapes tell of the model."""
