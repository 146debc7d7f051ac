"""A release: its files, figures and page.

Offers `files.FIGURES`, `files.PAGE`, `files.folder_of`, `files.read_file`, `release`, `withdrawal.rename_in_release`,
`withdrawal.withdraw_from_release`.
"""
