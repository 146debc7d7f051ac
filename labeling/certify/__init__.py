"""What a certificate promises, in numbers: answers to a uniform sample in, what may be accepted without people out.

Offers `audit.audited`, `band.errors_allowed`, `dry_run.Coverage`, `dry_run.LEAST_LABELS`, `dry_run.expected_coverage`,
`dry_run.right_chances`, `finished.finished`, `plan.Look`, `plan.PATIENCE`, `plan.due_look`, `plan.level_of`,
`plan.schedule`, `plan.stream_answers`, `plan.stream_first`, `scan.AtRank`, `scan.Scan`, `scan.scan`, `score.Scale`,
`score.neighbour_support`, `score.scale_of`, `score.scores`, `score.surest_first`, `score.top_logits`.
"""
