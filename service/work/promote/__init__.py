"""Judges the newest version; the champion predicts.

Offers `judge`, `predict.predict`.
"""
