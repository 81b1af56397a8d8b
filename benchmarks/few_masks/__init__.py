"""Learning with few masks: the accuracy of the models, and of the parts that produce pseudo labels."""
