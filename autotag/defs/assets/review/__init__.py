"""What people do with a folder after the machine."""
