"""The main job: from a mirror, a cluster table and a member list to membership probabilities."""
