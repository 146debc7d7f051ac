"""Deleting as a person asks for it: what would go, the order to remove it, and what is kept about an annotator.

Offers nothing.
"""
