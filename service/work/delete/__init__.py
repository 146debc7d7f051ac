"""Deleting for good: rows first, then all that lies elsewhere, then the traces in the files themselves.

Offers `elsewhere.clear_up`, `rows.remove_rows`, `traces.remove_traces`.
"""
