"""Programs that ship with Regrad, one file each."""
