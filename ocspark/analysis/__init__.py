"""Analyse finished runs: comparisons with lists and runs, structure, a baseline."""
