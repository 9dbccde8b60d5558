"""Positions [deg] where three or four base pixels of HEALPix meet, and near the poles."""

CORNERS = [(ra, dec) for dec in (41.8103148957786, -41.8103148957786) for ra in (0, 90, 180, 270)]
CORNERS += [(ra, 0.0) for ra in (0, 45, 90, 135, 180, 225, 270, 315)]
POLES = [(0.0, 90.0), (77.0, -90.0), (123.0, 89.99), (359.999, -89.9), (0.0, 88.0)]
