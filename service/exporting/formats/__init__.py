"""One file for each export format.

Offers `coco.write_coco`, `hugging_face.write_hugging_face`, `imagenet.write_imagenet`,
`label_studio.write_label_studio`, `tables.write_parquet`, `text_tables.TEXTS`, `text_tables.write_csv`,
`text_tables.write_jsonl`.
"""
