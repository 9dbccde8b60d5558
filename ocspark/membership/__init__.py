"""Compute Monte Carlo membership probabilities; only `evaluate` needs Spark."""
