"""Certifies machine labels at planned sizes of the random stream, delivers them, and takes them back.

Offers `certify.certify`, `certify.withdraw`, `forecast.forecast`.
"""
