"""The command line: a file per command; each parses, calls one public function, prints."""
