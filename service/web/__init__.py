"""The web process: API, pages, media. It never loads what the worker works with.

Offers `predictions.NO_ORDER_YET`, `predictions.Task`, `retry.retry_failures`, `wiring.PartsDep`, `wiring.WebParts`,
`wiring.parts_of`.
"""
