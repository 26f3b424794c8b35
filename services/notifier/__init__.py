"""Tells others of alerts: webhooks that we sign, and chat, mail and the rest by apprise."""
