"""One file for each export format.

Offers `coco.write_coco`, `hugging_face.write_hugging_face`, `imagenet.write_imagenet`,
`label_studio.write_label_studio`, `tables.write_csv`, `tables.write_jsonl`, `tables.write_parquet`.
"""
