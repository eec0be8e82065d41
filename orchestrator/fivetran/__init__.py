"""What is known about Fivetran: how it is asked, what its answers mean, and how that is said.

    client, sockets   sends one request, and can cut it off
    response_body     what comes from outside, before anything of ours sees it
    documents         what a connection's document says
    progress          when a sync is over, and how it ended
    effects           what a chart may name: calls, choices and pauses
    verdicts          a verdict in words: why, what goes on at Fivetran, what to do
    near_matches      tables and connections like the one given
    vocabulary        what each word of a chart means

Imports values/ alone.
"""
