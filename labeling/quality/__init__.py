"""How good labels and predictions are, with intervals.

Offers `comparison.calibration_error`, `comparison.kappa`, `drift.Changed`, `drift.LEVEL`, `drift.class_shift`,
`drift.compared_since`, `drift.corrected_prior`, `drift.fewer_right`, `drift.holm`, `drift.input_shift`,
`drift.separability`, `forecast.Count`, `forecast.ENOUGH`, `forecast.count_of`, `forecast.total`, `metrics.Bin`,
`metrics.accuracy`, `metrics.bootstrap`, `metrics.confusion`, `metrics.expected_calibration_error`, `metrics.macro_f1`,
`metrics.reliability`, `metrics.share`, `metrics.wilson`.
"""
