"""Which images people should be asked about next.

Offers `batch.joined`, `batch.most_doubtful`, `by_score.Scored`, `by_score.by_doubt`, `by_score.hardest`,
`clusters.MOST_CLUSTERS`, `clusters.clusters`, `clusters.in_turn`, `clusters.narrowed`, `hedged.Evidence`,
`hedged.LEAST_LABELS`, `hedged.MOST_LABELS`, `hedged.evidence_of`, `hedged.hedged`, `hedged.said`,
`hedged.sampled_groups`, `k_center.to_nearest`, `registry.STRATEGIES`, `strategy.Ensemble`, `strategy.Gather`,
`strategy.Labelled`, `strategy.Picks`, `strategy.Positions`, `strategy.Predicted`, `strategy.Scores`,
`strategy.Strategy`, `strategy.View`, `strategy.checked_picks`, `strategy.checked_scores`, `strategy.one_a_group`,
`strategy.ranked`, `typical.Typical`, `uncertainty.by_block`, `uncertainty.entropy`, `uncertainty.known_rows`,
`uncertainty.margin`, `uncertainty.raised`.
"""
