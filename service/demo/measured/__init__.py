"""What hardcase says of the demo's project, beside the truth that a demo knows.

Offers `finished.compare_certificate`, `finished.compare_wrong_labels`, `finished.read_savings`, `finished.replay_all`,
`last_known.LastKnown`, `last_known.is_of_champion`, `moment.Moment`, `moment.random_arm`, `moment.read_moment`,
`moment.ready`, `random_arm.RandomArm`, `random_arm.SEEDS`.
"""
