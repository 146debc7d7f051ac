"""Computes what pages show.

Offers `machine_labels.read_machine_labels`, `random_stream.read_random_stream`, `refresh`.
"""
