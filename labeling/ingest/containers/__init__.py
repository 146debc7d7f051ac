"""How archives, folders and manifests hold their parts: members, file names, lines and records.

Offers `archive_members.ArchiveLimits`, `archive_members.Entry`, `archive_members.entries`, `file_names.FileKind`,
`file_names.HIDDEN`, `file_names.Names`, `file_names.START_BYTES`, `file_names.begins_like_an_image`,
`file_names.extension_of`, `file_names.kind_of`, `file_names.printable`, `file_names.stem_of`, `manifest_lines.OURS`,
`manifest_lines.records_of`.
"""
