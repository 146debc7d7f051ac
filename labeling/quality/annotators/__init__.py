"""How good people are: agreement, references, performance, pausing, consensus.

Offers `acceptance.Acceptance`, `acceptance.acceptance`, `aggregation.aggregate`, `anchoring.Anchoring`,
`anchoring.Contradicted`, `anchoring.anchoring`, `interrater.agreement`, `interrater.alpha_by_class`,
`interrater.cohen`, `interrater.disagreements`, `interrater.observed`, `pausing.Finding`, `pausing.find_harm`,
`performance.AnnotatorFigures`, `performance.Drift`, `performance.Times`, `performance.describe`, `references.Answer`,
`references.Votes`, `references.collect_votes`, `references.reference_of`, `soft_labels.Aggregation`,
`soft_labels.RaterAnswer`, `soft_labels.SoftLabel`.
"""
