"""Registers images: uploads, addresses, sources, many at once.

Offers `allowed_places.allowed_source`, `allowed_places.check_file`, `allowed_places.named_by`,
`allowed_places.outside_home`, `backlog.check_backlog`, `bulk.Ingested`, `bulk.Ingesting`, `register.Found`,
`register.ROWS_A_TRANSACTION`, `register.add_source`, `register.checked_source`, `register.items_of`,
`register.limits_of`, `register.sort_out`, `register.without_deleted`.
"""
