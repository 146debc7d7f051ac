"""Plots as SVG.

Offers `plots.CurvePoint`, `plots.ReliabilityCurve`, `plots.VersionPoint`, `plots.acceptance_bars`,
`plots.accuracy_by_version`, `plots.confusion_matrix`, `plots.learning_curve`, `plots.reliability_curves`.
"""
