"""Parsing: files of labels turned into cells, columns, words, and what a reader hands on."""
