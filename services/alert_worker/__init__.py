"""The alert worker: a Faust app that judges both topics; the same rules over history and drafts."""
