"""`keytrail up`: broker, database, writers, projector and API workers as processes that are kept running."""
