"""Detector x masker x words: an expression is answered by the boxes, masks and classes that other people's networks
give."""
