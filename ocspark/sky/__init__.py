"""Compute angles on the sphere, HEALPix pixels, and HEALPix covers of cones."""
