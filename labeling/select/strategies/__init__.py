"""Which images people should be asked about next.

Offers `batch.joined`, `hedged.Evidence`, `hedged.LEAST_LABELS`, `hedged.MOST_LABELS`, `hedged.evidence_of`,
`hedged.hedged`, `hedged.said`, `hedged.sampled_groups`, `registry.STRATEGIES`, `strategy.Gather`, `strategy.Labelled`,
`strategy.Picks`, `strategy.Positions`, `strategy.Predicted`, `strategy.Strategy`, `strategy.View`,
`strategy.checked_picks`, `strategy.checked_scores`, `strategy.one_a_group`, `uncertainty.margin`.
"""
