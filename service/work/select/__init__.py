"""Chooses the next query.

Offers `query`.
"""
