"""Tables: files of lines and columns, read into cells, columns and labels."""
