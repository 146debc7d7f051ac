"""Which images people should be asked about next.

Offers `batch.joined`, `registry.STRATEGIES`, `strategy.Labelled`, `strategy.Positions`, `strategy.Predicted`,
`strategy.Strategy`, `strategy.View`, `strategy.checked_picks`, `strategy.checked_scores`, `strategy.one_a_group`,
`uncertainty.margin`.
"""
