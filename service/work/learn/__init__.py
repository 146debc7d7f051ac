"""Fits a version when one is due.

Offers `heads.head_named`, `learn`.
"""
