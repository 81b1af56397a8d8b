"""Models of other people as `MaskModel`s, a file a family."""
