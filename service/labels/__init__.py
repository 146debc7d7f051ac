"""What leads and rules do with labels: resolve, correct, decide, ask again, snapshots.

Offers `annotators`, `annotators.DEEDS`, `annotators.Voided`, `certificates.Attempt`, `certificates.Certificates`,
`certificates.NO_GOLD`, `certificates.RELATIVE`, `certificates.nothing_planned`, `certificates.pictures_of`,
`certificates.read_certificates`, `corrections.AT_ONCE`, `corrections.ask_people`, `corrections.correct`,
`disputes.Disputed`, `disputes.Said`, `disputes.listed`, `image_history.Story`, `image_history.story_of`,
`image_standing.Standing`, `label_set.Effect`, `label_set.change_label_set`, `label_set.preview`, `label_set.words_of`,
`machine_labels.ChampionLabels`, `machine_labels.MACHINE`, `machine_labels.MachineLabel`, `machine_labels.Said`,
`machine_labels.before_calibration`, `machine_labels.champion_labels`, `machine_labels.machine_labels`,
`machine_labels.machine_labels_of`, `machine_labels.waiting_images`, `machine_labels.with_bias`, `re_reviews.AT_ONCE`,
`re_reviews.ReReviewed`, `re_reviews.Requested`, `re_reviews.ask_for_more`, `re_reviews.outcomes`, `reannotation.Asked`,
`reannotation.STRATEGY`, `resolution.CROWDLAB`, `resolution.MAJORITY`, `resolution.Standing`, `resolution.may_weigh`,
`resolution.resolve_labels`, `resolution.standing_of`, `snapshots.NAME`, `snapshots.check_name`,
`snapshots.compare_states`, `snapshots.create`, `snapshots.entries`, `snapshots.rebuild`, `snapshots.restate`,
`snapshots.soft_label`, `snapshots.verify`, `suspects`, `suspects.Handled`, `suspects.SUSPECTED`, `undecided`,
`undecided.UndecidedImage`, `undecided.listed`.
"""
