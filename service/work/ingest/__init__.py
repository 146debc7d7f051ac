"""Fetches and groups images; removes what is not needed any more.

Offers `fetching.Fetching`, `garbage_collection.tidy_up`, `ingest`.
"""
