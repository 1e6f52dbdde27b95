"""autotag: a tagged image archive tags every new folder, and keeps the evidence."""

__version__ = "0.1.0"
