"""The routes of the audit API. Each endpoint is next to its row."""
