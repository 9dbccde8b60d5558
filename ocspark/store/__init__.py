"""How work lands in a folder and is found again, for every job alike."""
