"""Every table that crosses a stage: its columns with type, unit and description.

Import from the submodule of the table: what a stage imports decides when it is done again.
"""
