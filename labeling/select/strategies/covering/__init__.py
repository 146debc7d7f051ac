"""Images that cover the others, chosen one by one.

Offers `herding.Herding`, `prob_cover.ProbCover`.
"""
