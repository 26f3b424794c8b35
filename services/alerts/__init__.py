"""The former name of the alert worker, which compose.yaml of earlier versions starts."""
