"""Pictures of every page of the console, of an installation with a small story: a bank's payroll."""
