"""Tries, compares and plans engines on request.

Offers `dry_run.Progress`, `dry_run.answers_of`, `dry_run.load`, `dry_run.prepare`, `dry_run.use_of`, `listing`,
`listing.list_engines`, `report`, `report.keep`, `report.make`, `report.try_engine`, `report.try_image`.
"""
