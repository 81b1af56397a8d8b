"""Networks of the hub that carry masks: SAM 2 and related networks, in place of flow and appearance.

torch is imported only in `propagator.py`, and only if such a network is used.
"""
