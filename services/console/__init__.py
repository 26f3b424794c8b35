"""The web console: its pages (TypeScript, in src), how they are built, and how an API worker serves them."""
