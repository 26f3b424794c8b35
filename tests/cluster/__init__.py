"""An installation as on several machines: three brokers, Postgres with a standby, two processes of each kind."""
