"""What the benchmarks measure against."""
