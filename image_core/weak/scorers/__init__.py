"""How well a text fits an image: CLIP, or a small pair of our own."""
