"""Computes what pages show.

Offers `machine_labels.read_machine_labels`, `refresh`.
"""
