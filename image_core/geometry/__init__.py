"""Pure functions on masks and boxes: numpy in, numpy out (torch where a network is on the other side)."""
