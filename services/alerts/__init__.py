"""The name by which compose.yaml of version 0.1 and before starts an alert worker: services/alert_worker is the program."""
