"""Membership probabilities that mean what they say, from a cluster's own field (no Spark)."""
