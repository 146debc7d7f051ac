"""Makes overlays for annotators.

Offers `explanations.draw_explanations`, `regions.draw_regions`.
"""
