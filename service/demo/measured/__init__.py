"""What hardcase says of the demo's project, beside the truth that a demo knows."""
