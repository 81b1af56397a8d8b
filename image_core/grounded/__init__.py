"""A detector, a masker and rules for words: expressions are answered from the boxes, masks and classes of published
networks."""
