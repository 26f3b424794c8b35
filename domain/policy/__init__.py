"""Policies: parse (text to statements), check (what may be put into force), compile (statements to an index), conditions."""
