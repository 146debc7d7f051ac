"""Images from folders, object stores, manifests and web addresses.

Offers `fetching.Fetcher`, `fetching.check_address`, `fetching.is_plain_address`, `files.absolute`, `files.file_exists`,
`files.folder_exists`, `files.is_missing`, `files.names_file`, `files.open_file`, `files.read_file`, `folders.Unread`,
`folders.find_images`.
"""
