"""Fetches and groups images; removes what is not needed any more.

Offers `garbage_collection.tidy_up`, `ingest`.
"""
