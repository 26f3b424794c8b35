"""The access keys of accounts' root users: another beside the present one, and the end of the former."""
