"""Images from folders, object stores, manifests and web addresses.

Offers `addresses.check_address`, `addresses.is_plain_address`, `addresses.place_of`, `fetching.Fetcher`,
`files.absolute`, `files.file_exists`, `files.folder_exists`, `files.is_missing`, `files.names_file`, `files.open_file`,
`files.read_file`, `folders.Unread`, `folders.find_images`.
"""
