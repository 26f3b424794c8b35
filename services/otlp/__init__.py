"""Sends what Keytrail measures to an OpenTelemetry collector: OTLP over HTTP, in JSON.

It knows nothing of traces: a signal (`messages.Signal`) names its path and the members of its message, and its items are
msgspec structures, named as the JSON has them. Source: OpenTelemetry Protocol Specification 1.x, "OTLP/HTTP" and "JSON Protobuf
Encoding".
"""
