"""What is known about Fivetran: how to ask it, what its answers mean, and how to say so.

    client, sockets   sends one request, and can cut it off
    response_body     answers from outside: parsed, bounded, without secrets
    documents         what a connection's document says
    progress          when a sync is over, and how it ended
    polling           when to look next at a running sync
    effects           what a chart may name: calls, choices and pauses
    verdicts          a verdict in words: why, what is running at Fivetran, what to do
    near_matches      tables and connections whose names are similar to the one given
    vocabulary        what each word of a chart means

Imports values/ alone.
"""
