"""How work is stored and found again, for every job alike: folders, tasks, manifests."""
