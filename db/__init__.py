"""The memory of hardcase: tables, sessions and repositories (the only SQL). Speaks `labeling.types`.

Offers `integrity.Soundness`, `integrity.check_database`, `integrity.check_file`, `integrity.rebuild_indices`,
`label_names.answer_now`, `label_names.names_by_image`, `label_names.names_by_project`, `label_names.names_of`,
`migrate`, `outages.outage_of`, `paging.Slice`, `paging.slice_of`, `rows`, `rows.KEYS_A_STATEMENT`, `rows.columns`,
`rows.count`, `rows.count_by`, `rows.count_if`, `rows.fingerprint_of`, `rows.in_parts`, `rows.newest`, `rows.newest_of`,
`rows.read`, `rows.read_all`, `rows.read_first`, `rows.rows_of`, `rows.to_row`, `session.delete`, `session.insert_new`,
`session.make_engine`, `session.reading`, `session.transaction`, `session.update`, `write_ahead_log.lost_of_log`.
"""
