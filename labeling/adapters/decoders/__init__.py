"""Processes that decode images, so that no image can take the worker's memory, time or life.

Offers `pool.Decoders`, `pool.Picture`.
"""
