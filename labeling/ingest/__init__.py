"""From bytes to images: decoding, hashing, archives, manifests, texts, near-duplicate groups.

Offers `archives.ARCHIVE_EXTENSIONS`, `archives.ArchiveLimits`, `archives.Contents`, `archives.inspect_archive`,
`archives.read_archive`, `decoding.decode`, `decoding.encode_shown`, `fingerprints.Fingerprints`,
`fingerprints.distances`, `fingerprints.fingerprint`, `groups.Group`, `groups.MAX_JOINED`, `groups.Neighbour`,
`groups.Placement`, `groups.among`, `groups.are_too_many`, `groups.divide`, `groups.group`, `groups.place`,
`hashing.content_hash`, `hashing.text_key`, `headers.ACCEPTED_EXTENSIONS`, `headers.Limits`, `headers.check_header`,
`headers.format_of`, `image_checks.check_picture`, `manifests.BadLine`, `manifests.MANIFEST_EXTENSIONS`,
`manifests.read_manifest`, `text.MAX_REFERENCE`, `text.MAX_TEXT_BYTES`, `text.MAX_VALUE`, `text.check_details`,
`text.clean_text`, `text.text_of`, `text.words_of`, `twin_index.TwinIndex`, `twins.MIN_IMAGES`, `twins.NOTHING`,
`twins.TwinRule`, `twins.adaptive_rule`, `twins.fixed_rule`, `twins.is_twin`.
"""
