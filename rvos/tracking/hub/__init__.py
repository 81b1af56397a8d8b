"""Networks of the hub that carry masks: SAM 2 and its kin in place of flow and appearance.

torch is imported in `propagator.py` alone, and that only where such a network is used."""
