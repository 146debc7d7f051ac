"""One router for each page, with its templates; the app finds them here.

Offers `rendering.error_page`, `rendering.wants_page`.
"""
