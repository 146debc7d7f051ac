"""Computes what pages show.

Offers `machine_labels.read_machine_labels`, `next_attempt.refresh_next_attempt`, `random_stream.read_random_stream`,
`refresh`.
"""
