"""Project files, the history of a project, pseudonyms.

Offers `advice.advice`, `history.history`, `measuring.cost_of_measuring`, `measuring.release_reserve`,
`next_action.MEASURED`, `next_action.MOST`, `next_action.next_action`, `project_file.ProjectFile`,
`project_file.check_project`, `project_file.parse_project`, `project_file.retired_keys`, `pseudonyms.exported_name`,
`pseudonyms.names_are_exported`, `pseudonyms.shown_name`, `savings.NOT_COUNTED`, `savings.Savings`,
`savings.next_attempt`, `savings.savings_of`, `savings.stop_rule`, `written_texts.Plain`.
"""
