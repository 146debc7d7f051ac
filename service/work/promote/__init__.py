"""Judges the newest version; the champion predicts.

Offers `compare`, `compare.compare`, `compare.keep`, `judge`, `predict.predict`.
"""
