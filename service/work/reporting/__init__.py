"""Reports on engines: each file reads rows, lets engines look, and returns one document that can be kept as JSON."""
