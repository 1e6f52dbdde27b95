"""XMP sidecars: planned, shown, written, taken back."""
