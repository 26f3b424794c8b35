"""Sends alerts to others: signed webhooks, and chat or mail through apprise."""
