"""Every version of every key policy: the text, who put it, when, where on the log."""
