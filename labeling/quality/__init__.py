"""How good labels and predictions are, with intervals.

Offers `comparison.calibration_error`, `comparison.kappa`, `drift.Changed`, `drift.LEVEL`, `drift.class_shift`,
`drift.compared_since`, `drift.corrected_prior`, `drift.fewer_right`, `drift.holm`, `drift.input_shift`,
`drift.separability`, `finite_samples.Stratum`, `finite_samples.finite_interval`, `finite_samples.finite_share`,
`finite_samples.share_of_cohorts`, `finite_samples.share_of_what_is_left`, `forecast.Count`, `forecast.ENOUGH`,
`forecast.count_of`, `forecast.total`, `learning_curve.expected_gain`, `machine_labels.AtThreshold`,
`machine_labels.precision_at`, `machine_labels.thresholds`, `metrics.Bin`, `metrics.accuracy`, `metrics.bootstrap`,
`metrics.clopper_pearson`, `metrics.confusion`, `metrics.macro_f1`, `metrics.padded_interval`, `metrics.reliability`,
`metrics.share`, `random_arm.Arm`, `random_arm.LEAST_IMAGES`, `random_arm.Payoff`, `random_arm.Savings`,
`random_arm.at_labels`, `random_arm.pays`, `random_arm.random_arm`, `random_arm.savings`.
"""
