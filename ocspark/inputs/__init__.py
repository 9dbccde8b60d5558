"""Readers: cluster tables, member lists and isochrone tables become canonical tables."""
