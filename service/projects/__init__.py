"""Project files, the history of a project, pseudonyms.

Offers `advice.advice`, `history.history`, `measuring.cost_of_measuring`, `measuring.release_reserve`,
`project_file.ProjectFile`, `project_file.check_project`, `project_file.parse_project`, `project_file.retired_keys`,
`pseudonyms.exported_name`, `pseudonyms.names_are_exported`, `pseudonyms.shown_name`, `savings.Savings`,
`savings.savings_of`, `savings.stop_rule`, `written_texts.Plain`.
"""
