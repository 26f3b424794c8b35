"""The alert worker: a Faust app that judges both topics. The same rules also judge history and drafts."""
