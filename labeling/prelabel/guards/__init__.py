"""Against prompt injection: checks, counterfactual inference, canaries.

Offers `canaries.CanaryResult`, `canaries.Known`, `canaries.SHARE`, `canaries.with_canaries`, `checks.CONFLICT`,
`checks.conflict`, `checks.obeys_too_often`, `counterfactual.guarded`.
"""
