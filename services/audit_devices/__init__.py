"""Audit devices: every decision also in a file, at a syslog server or at a collector of OpenTelemetry."""
