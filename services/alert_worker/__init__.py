"""Alerts: a Faust app that follows the topics, and the same rules over history and over drafts."""
