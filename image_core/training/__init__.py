"""Training of image models: optimiser groups and schedules, the engine, the recipe."""
