"""Bytes that are kept: images, vectors, prediction files, whole or not at all.

Offers `atomic_files.new_folder`, `atomic_files.place_folder`, `atomic_files.read_files`, `atomic_files.stage_folder`,
`atomic_files.write_whole`, `embedding_store.EmbeddingStore`, `embedding_store.MissingVectors`,
`image_store.ImageStore`, `image_store.Stored`, `image_store.UPLOAD`, `mapped_rows.MappedRows`,
`mapped_rows.rows_are_whole`, `overwriting.blank_out`, `overwriting.empty_out`, `overwriting.rewrite_database`,
`prediction_files.Predictions`, `prediction_files.keep_only`, `prediction_files.map_predictions`,
`prediction_files.read_predictions`, `prediction_files.write_only`, `prediction_files.write_predictions`,
`sealed_bytes.folder_is_whole`, `sealed_bytes.seal_folder`, `sealed_bytes.sealed`, `sealed_bytes.unsealed`,
`storage_faults.Patience`, `storage_faults.explained`, `vector_shards.open_shard`, `vectors_of_0_1_0.old_tables`,
`vectors_of_0_1_0.take_over`.
"""
