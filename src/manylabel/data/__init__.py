"""What goes into a run: photos, tables of labels, and the split into what trains and what judges."""
