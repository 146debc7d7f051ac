"""Computes what pages show.

Offers `refresh`.
"""
