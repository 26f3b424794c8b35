"""OpenTelemetry traces: one call, from the socket to its record, its row and its alert, is one trace.

Nothing of it travels between processes. A call's id is the trace's id, and the ids of its spans follow from it (`ids.py`); so
every process that meets the call's record makes its own span, with the right parent. Whether a trace is sampled follows from the
id too. What a span may say is a fixed list (`spans.py`), which has nothing that a caller writes.
"""
