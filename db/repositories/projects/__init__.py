"""Projects with the history of their configuration.

Offers `label_changes`, `label_changes.Counted`, `label_changes.Held`, `projects`, `projects.ConfigVersion`.
"""
