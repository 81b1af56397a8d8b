"""Robustness: mutated input files, and processes killed at random moments."""
