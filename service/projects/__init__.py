"""Project files, the history of a project, pseudonyms.

Offers `history.history`, `project_file.Plain`, `project_file.ProjectFile`, `project_file.check_project`,
`project_file.parse_project`, `pseudonyms.shown_name`.
"""
