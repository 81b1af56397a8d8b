"""How well a text fits a picture: CLIP, or a small pair of our own."""
