"""Which labels are probably wrong, and whether a label set is ready.

Offers `label_errors.Fit`, `label_errors.Probs`, `label_errors.Suspect`, `label_errors.cross_validated`,
`label_errors.error_rate`, `label_errors.folds_of`, `label_errors.suspects`, `label_errors.twins_that_differ`,
`readiness.Criterion`, `readiness.State`, `readiness.TARGETS`, `readiness.Verdict`, `readiness.count`,
`readiness.judge`, `readiness.measured`.
"""
