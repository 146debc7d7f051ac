"""Plots as SVG.

Offers `plots.CurvePoint`, `plots.ReliabilityCurve`, `plots.VersionPoint`, `plots.acceptance_bars`,
`plots.confusion_matrix`, `plots.holdout_by_version`, `plots.learning_curve`, `plots.reliability_curves`.
"""
