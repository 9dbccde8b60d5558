"""The mirror: HEALPix-partitioned Parquet in the HATS layout."""
