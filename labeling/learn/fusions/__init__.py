"""How image, text and pre-label become one row of features.

Offers `concatenation.Concatenation`, `fusions.FUSIONS`.
"""
