"""Fitted versions, the verdicts about them, and what they predict.

Offers `predictions`, `predictions.PredictionFile`, `versions`, `versions.Promotion`, `versions.Version`.
"""
