"""Deleting: what was asked for, what goes with what, what is left to remove outside, and what may not come back.

Offers `deletions`, `deletions.Deletion`, `deletions.Elsewhere`, `deletions.Leftover`, `deletions.being_deleted`,
`holders`, `images`, `images.Gone`, `tombstones`, `wholes`.
"""
