"""Plain values and what all rooms share; but for the clock no input or output. Imports nothing of ours.

events, exchange      what may happen; what is asked of Fivetran, and the two ways it ends
facts, settings       what a run knows, and what it was told
clock                 the time, and the one place that sleeps
exit_codes            what each of them means
formatting, parsing   values for people; JSON and TOML from outside
type_checks           whether a document has the types that it should have
"""
