"""Labels for other programs: every format is one function in `formats`, and `registry` lists them all.

Offers `columns.COLUMNS`, `columns.Record`, `columns.as_json`, `label_set.LabelSet`, `label_set.Wanted`,
`label_set.open_label_set`, `label_set.with_machine_labels`, `placing.explained`, `registry`.
"""
