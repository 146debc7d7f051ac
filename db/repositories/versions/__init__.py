"""Fitted versions, the verdicts about them, and what they predict.

Offers `predictions`, `versions`, `versions.Promotion`, `versions.Version`.
"""
