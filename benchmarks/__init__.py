"""Speed, memory and quality of autotag, measured the same way every time; a figure whose counts do not close is no figure."""
