"""Cone search, characterisation, candidates, features; the modules of the passes face Spark."""
