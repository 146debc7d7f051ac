"""Project files, the history of a project, pseudonyms.

Offers `advice.advice`, `history.change_words`, `history.history`, `history.label_sets`,
`label_operations.LabelChangeIn`, `label_operations.read_change`, `measuring.cost_of_measuring`,
`measuring.release_reserve`, `next_action.MEASURED`, `next_action.MOST`, `next_action.next_action`,
`project_file.ProjectFile`, `project_file.check_project`, `project_file.parse_project`, `project_file.retired_keys`,
`pseudonyms.exported_name`, `pseudonyms.names_are_exported`, `pseudonyms.shown_name`, `savings.Savings`,
`savings.savings_of`, `savings.stop_rule`, `written_texts.Plain`.
"""
