"""Every sentence of report, table, model card and terminal, made from results.

Sentences have no markup; names in them come from the user and are not safe for HTML by themselves. No other
module of the package makes sentences, apart from errors, log lines and help; none takes them apart.
"""
