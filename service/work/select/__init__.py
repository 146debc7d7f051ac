"""Chooses the next query.

Offers `query`, `replay.Replay`, `replay.replay_query`, `simulation.Known`, `simulation.Simulation`,
`simulation.known_in`, `simulation.known_of`, `simulation.simulate`.
"""
