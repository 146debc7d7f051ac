"""Fits a version when one is due.

Offers `learn`.
"""
