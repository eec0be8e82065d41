"""Plain values that all rooms share; no input or output except the clock. Imports no other room.

events, exchange      what may happen; a request to Fivetran, and its answer or failure
facts, settings       what a run knows, and how it was configured
clock                 the time, and the one place that sleeps
exit_codes            what each of them means
extras                what to install where a library is missing
formatting, parsing   values for people; JSON and TOML from outside
type_checks           whether a document has the types that it should have
"""
