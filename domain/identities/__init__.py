"""Accounts and their roots' access keys. Users, roles and identity policies come here."""
