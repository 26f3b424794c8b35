"""Policies: parse (text to statements), compile (statements to an index), evaluate (who decided)."""
