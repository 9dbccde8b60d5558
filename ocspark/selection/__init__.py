"""Cone search, cluster characterisation, candidates and features; the Spark faces are cone.py and passes.py."""
