"""Monte Carlo membership probabilities: keyed draws, the engine (no Spark) and its Spark face."""
