"""Draws one query: the random stream, its share, the strategy's picks, gold.

Offers `draw.Candidates`, `draw.Drawn`, `draw.Pick`, `draw.draw_query`, `gold.draw_gold`, `stream.Order`,
`stream.cohorts`, `stream.next_groups`, `stream.position_of`, `stream.reserved_share`.
"""
