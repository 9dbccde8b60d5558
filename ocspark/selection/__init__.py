"""Find the sources in cones, characterise clusters, select candidates, compute their features."""
