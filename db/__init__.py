"""The memory of hardcase: tables, sessions and repositories (the only SQL). Speaks `labeling.types`."""
