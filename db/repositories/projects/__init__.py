"""Projects with the history of their configuration.

Offers `projects`, `projects.ConfigVersion`.
"""
