"""What people and programs meet over HTTP."""
