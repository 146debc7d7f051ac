"""The label set of a project as it changes: operations on classes, and what names and probabilities of then are now.

Offers `changes`, `changes.Names`, `changes.is_same_set`, `changes.known_labels`, `changes.name_now`,
`changes.names_now`, `columns.columns_of`, `columns.in_columns`.
"""
