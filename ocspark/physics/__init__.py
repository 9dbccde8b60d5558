"""Zero point, photometric errors, extinction and apparent isochrones: numpy, no Spark."""
