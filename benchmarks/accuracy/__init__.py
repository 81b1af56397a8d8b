"""How right the embedded model, the mask tracker and the readings of S2RM are."""
