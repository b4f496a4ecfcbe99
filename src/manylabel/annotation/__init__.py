"""Labels that people give to photos: changed one by one, kept in a journal, written into their table."""
