"""Run the main job: membership probabilities from a mirror, a cluster table and a member list."""
