"""The figure of the next best action: what could be done about each image, ranked, and how it is shown.

Offers `refresh.refresh_next_action`.
"""
