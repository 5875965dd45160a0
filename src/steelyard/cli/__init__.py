"""One file per command group; nothing else prints or exits."""
