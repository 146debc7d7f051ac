"""How good labels and predictions are, with intervals.

Offers `comparison.calibration_error`, `comparison.kappa`, `drift.Changed`, `drift.class_shift`,
`drift.corrected_prior`, `drift.fewer_right`, `drift.holm`, `drift.input_shift`, `drift.level_of`, `drift.separability`,
`finite_samples.finite_interval`, `forecast.Count`, `forecast.ENOUGH`, `forecast.count_of`, `forecast.total`,
`metrics.Bin`, `metrics.accuracy`, `metrics.bootstrap`, `metrics.confusion`, `metrics.expected_calibration_error`,
`metrics.macro_f1`, `metrics.padded_interval`, `metrics.reliability`, `metrics.share`, `metrics.wilson`.
"""
