"""Learning with few masks: how good the models become, and the parts that make pseudo labels."""
