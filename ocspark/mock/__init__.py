"""A mock Galaxy with planted clusters: kernels over arrays, and the Spark job that writes it."""
