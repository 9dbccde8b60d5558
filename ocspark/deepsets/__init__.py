"""The Deep Sets network and its weights: torch and numpy, no Spark."""
