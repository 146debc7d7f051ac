"""Chooses the next query.

Offers `query`, `replay.Replay`, `replay.replay_query`.
"""
