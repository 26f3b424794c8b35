"""What `keytrail doctor` finds: facts of an installation, and what they mean. It reads, and changes nothing."""
