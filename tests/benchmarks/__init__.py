"""Speeds of ocspark against named baselines; see `__main__`."""
