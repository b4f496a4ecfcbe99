"""Models: backbones, their weights, heads, the whole classifier, and the list of what there is."""
