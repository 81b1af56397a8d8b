"""Films that make their own frames, masks and expressions: the benchmark of what time adds."""
