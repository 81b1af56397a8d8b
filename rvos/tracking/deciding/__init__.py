"""Who decides which of the tracks of a film an expression means: the table of deciders, and how one is made."""
