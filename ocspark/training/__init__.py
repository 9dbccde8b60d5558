"""Training sets, the trainer, and judging a model on stars whose membership is known."""
