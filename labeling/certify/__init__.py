"""What a certificate promises, in numbers: answers to a uniform sample in, what may be accepted without people out.

Offers `accept.Exclusion`, `accept.conflicts`, `accept.farthest_usual`, `accept.in_contradiction`,
`accept.nearest_training`, `accept.outliers`, `accept.rare_issues`, `audit.audited`, `band.errors_allowed`,
`dry_run.Coverage`, `dry_run.LEAST_LABELS`, `dry_run.expected_coverage`, `dry_run.expected_finish`, `dry_run.left_then`,
`dry_run.right_chances`, `finished.finished`, `human_error.ENOUGH_GOLD`, `human_error.human_error`, `plan.Look`,
`plan.PATIENCE`, `plan.due_look`, `plan.last_look`, `plan.level_of`, `plan.most_to_show`, `plan.schedule`,
`plan.sizes_left`, `plan.stream_answers`, `plan.stream_first`, `scan.AtRank`, `scan.Scan`, `scan.scan`, `score.Scale`,
`score.neighbour_support`, `score.scale_of`, `score.scores`, `score.surest_first`, `score.top_logits`.
"""
