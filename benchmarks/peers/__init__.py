"""One stand-alone script per peer: photos, labels and weights in, test scores and seconds out."""
