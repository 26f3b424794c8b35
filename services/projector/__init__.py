"""The projector: follows events and decisions into Postgres."""
