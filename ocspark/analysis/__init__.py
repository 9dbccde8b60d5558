"""What a finished run says: comparison with literature, structure of clusters, a baseline."""
