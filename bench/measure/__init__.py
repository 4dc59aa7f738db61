"""The benchmark: what bench/run is made of. See bench/README.md."""
