"""Project files, the history of a project, pseudonyms.

Offers `advice.advice`, `history.change_words`, `history.history`, `history.label_sets`,
`label_operations.LabelChangeIn`, `label_operations.read_change`, `measuring.cost_of_measuring`,
`measuring.release_reserve`, `next_action.MEASURED`, `next_action.MOST`, `next_action.next_action`,
`project_file.ProjectFile`, `project_file.check_project`, `project_file.parse_project`, `project_file.retired_keys`,
`pseudonyms.exported_name`, `pseudonyms.names_are_exported`, `pseudonyms.shown_name`, `savings.NOT_COUNTED`,
`savings.Savings`, `savings.next_attempt`, `savings.savings_of`, `savings.stop_rule`, `version_comparison.Between`,
`version_comparison.Flip`, `version_comparison.FlippedImage`, `version_comparison.KIND`,
`version_comparison.MOST_IMAGES`, `version_comparison.VersionComparison`, `version_comparison.newest_comparison`,
`version_comparison.sentence`, `version_comparison.two_versions`, `versions.Card`, `versions.ListedVersion`,
`versions.OneVerdict`, `versions.Recall`, `versions.ShownVersion`, `versions.listed`, `versions.shown`,
`versions.withheld_now`, `written_texts.Plain`.
"""
