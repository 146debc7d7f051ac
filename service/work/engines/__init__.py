"""Makes the engines that projects name, with their guards and ledger.

Offers `endpoint_engines.probe_endpoint`, `factory.make_engine`, `means.first_use`.
"""
