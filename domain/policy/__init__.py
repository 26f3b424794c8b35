"""Policies: parse (text to statements), check (what may be put), compile (statements to an index), conditions."""
