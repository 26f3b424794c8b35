"""`keytrail up` starts the servers and processes, and keeps them running; `keytrail down` ends them."""
