"""The alerts that were raised, and what people did about each."""
