"""The library's verbs: what `import ocspark` offers, each a thin face of what the jobs call."""
