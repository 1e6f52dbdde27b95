"""What assets work with."""
