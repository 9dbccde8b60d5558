"""Cone search, characterisation, candidates, features; cone.py and training.py face Spark."""
