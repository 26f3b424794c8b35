"""The projector: writes events, decisions and alerts from the topics into Postgres."""
