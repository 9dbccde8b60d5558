"""Parity with the results of the published code."""
