"""Accounts, users, groups, roles and managed policies, and the directory that holds them."""
