"""A release: its files, figures and page.

Offers `files.FIGURES`, `files.PAGE`, `files.folder_of`, `files.read_file`, `release`.
"""
