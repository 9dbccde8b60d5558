"""Compute calibrated membership probabilities from a mixture of a cluster and its field."""
