"""Serve bundles over HTTP, without torch, with a web page to drop photos on."""
