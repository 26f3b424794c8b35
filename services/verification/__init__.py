"""`keytrail verify`: every topic against its MACs, chains and anchors, and each projection against the topics."""
