"""Facts, tables, plots and one page to read about a run."""
