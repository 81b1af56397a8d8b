"""Vision and text encoders, both steppable, because some models fuse language inside them."""
