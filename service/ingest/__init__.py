"""Registers images: uploads, addresses, sources, many at once.

Offers `bulk.Ingested`, `bulk.Ingesting`, `register.Found`, `register.ROWS_A_TRANSACTION`, `register.add_source`,
`register.items_of`, `register.limits_of`, `register.sort_out`.
"""
