"""One struct for each figure and report: written by the worker, read by pages, API, releases and alarms.

Offers `accuracy.Acceptance`, `accuracy.AccuracyByVersion`, `accuracy.Cell`, `accuracy.Confusion`, `accuracy.Guess`,
`accuracy.HardImage`, `accuracy.Hardest`, `accuracy.LabelsBySource`, `accuracy.OneClass`, `accuracy.OneVersion`,
`accuracy.Round`, `accuracy.Rounds`, `agreement.Agreement`, `agreement.Among`, `agreement.Annotator`, `agreement.Cell`,
`agreement.Confused`, `agreement.Consensus`, `agreement.OneClass`, `agreement.Pair`, `agreement.People`,
`agreement.Picture`, `agreement.WithEngine`, `drift.Canary`, `drift.Drift`, `drift.EngineCanaries`,
`drift.EngineChange`, `drift.Habit`, `drift.Inputs`, `drift.Look`, `drift.Moved`, `drift.Prior`, `drift.Right`,
`engine_reports.Agreement`, `engine_reports.Comparison`, `engine_reports.Difference`, `engine_reports.Left`,
`engine_reports.Likely`, `engine_reports.Plan`, `engine_reports.Planned`, `engine_reports.Row`, `engine_reports.Said`,
`engine_reports.Trial`, `engine_reports.Trials`, `engine_reports.read_report`, `engines.EngineReliability`,
`engines.EngineWork`, `engines.Reliability`, `engines.ReliabilityBin`, `engines.ReliabilityOfEngine`,
`estimates.Interval`, `estimates.Json`, `estimates.Known`, `estimates.Range`, `estimates.estimate`,
`estimates.estimate_of`, `estimates.exactly`, `estimates.forecast`, `estimates.known`, `estimates.rounded`,
`figures.Decoded`, `figures.FIGURES`, `figures.OF_CLASSIFIERS`, `figures.PLOT_FORMAT`, `figures.decode`,
`figures.is_current`, `figures.name_of`, `figures.outdated`, `figures.read`, `figures.stored`, `figures.write`,
`label_errors.LabelErrors`, `label_errors.OfClass`, `label_errors.OnRandom`, `label_errors.SentBack`,
`label_errors.Slice`, `label_errors.Suspect`, `label_errors.Twin`, `label_quality.Coverage`, `label_quality.Criterion`,
`label_quality.LabelQuality`, `label_quality.LabelsOfClass`, `label_quality.RandomLabels`, `label_quality.Source`,
`label_quality.Suspects`, `machine_labels.ClassOfRest`, `machine_labels.MachineLabels`, `machine_labels.OneThreshold`,
`machine_labels.Sure`, `machine_labels.Waiting`, `random_arm.ArmPoint`, `random_arm.OurPoint`, `random_arm.RandomArm`,
`random_stream.RandomStream`, `team.Difference`, `team.Found`, `team.OneClass`, `team.Person`, `team.Sessions`,
`team.Team`, `team.Times`, `wrong_labels.ShareOfWrongLabels`.
"""
