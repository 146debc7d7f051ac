"""Deleting for good: rows first, then all that lies elsewhere, then the traces in the files themselves.

Offers nothing.
"""
