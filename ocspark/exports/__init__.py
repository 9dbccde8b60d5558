"""A run's tables as files that other programs open, written without holding them in memory."""
