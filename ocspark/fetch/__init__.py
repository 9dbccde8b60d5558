"""Inputs from the servers that have them, into the layout that the jobs read."""
