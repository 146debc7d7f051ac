"""Images from folders, object stores, manifests and web addresses.

Offers `fetching.Fetcher`, `fetching.check_address`, `fetching.is_plain_address`, `folders.absolute`,
`folders.file_exists`, `folders.find_images`, `folders.folder_exists`, `folders.open_file`, `folders.read_file`.
"""
