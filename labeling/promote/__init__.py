"""Whether a candidate becomes the champion.

Offers `judgement.Judgement`, `judgement.judge`.
"""
