"""Geometry on the sphere and HEALPix covers of cones: numpy, no Spark."""
