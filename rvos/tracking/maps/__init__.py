"""Maps of dense image models, made steady over the frames before they become regions."""
