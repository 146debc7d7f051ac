"""Certifies machine labels at planned sizes of the random stream, delivers them, and takes them back.

Offers `ahead.awaits_attempt`, `ahead.awaits_verdict`, `ahead.keeps_version`, `ahead.wants_version`, `certify.certify`,
`certify.withdraw`, `delivery.keep_terms`, `forecast.forecast`.
"""
