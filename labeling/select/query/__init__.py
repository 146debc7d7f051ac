"""Draws one query: shares of the kinds of review, groups, gold.

Offers `draw.Candidates`, `draw.Pick`, `draw.draw_query`, `gold.draw_gold`, `shares.target_reached`.
"""
