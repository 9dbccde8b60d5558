"""Define the columns of every table that a stage writes: name, type, unit and description.

Import from the submodule of the table: a change in what a stage imports makes the stage run again.
"""
