"""Store work and find it again, for every job alike: folders, tasks, manifests."""
