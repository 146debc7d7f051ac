"""Which labels are probably wrong, and whether a label set is ready.

Offers `label_errors.Fit`, `label_errors.Probs`, `label_errors.Suspect`, `label_errors.cross_validated`,
`label_errors.folds_of`, `label_errors.suspects`, `label_errors.twins_that_differ`, `re_review_plan.asked_plan`,
`re_review_plan.chance_order`, `re_review_plan.next_plan`, `readiness.Criterion`, `readiness.State`,
`readiness.Verdict`, `readiness.count`, `readiness.judge`, `readiness.measured`, `wrong_labels.MORE`,
`wrong_labels.Outcome`, `wrong_labels.Prospect`, `wrong_labels.WrongLabels`, `wrong_labels.at_least`,
`wrong_labels.prospect`, `wrong_labels.re_reviews_for_width`, `wrong_labels.wrong_labels`.
"""
