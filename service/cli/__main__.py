"""`python -m service.cli` is `hardcase`."""

from service.cli.app import main

main()
