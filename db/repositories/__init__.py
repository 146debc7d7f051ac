"""The only SQL. Functions take a session, flush, and never commit; one file a noun."""
