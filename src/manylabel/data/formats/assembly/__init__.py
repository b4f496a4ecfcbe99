"""Assembly: what a reader read, matched with photos, merged, checked, made into one ``LabelTable``."""
