"""Charts, and the code that runs and checks them: a run is a value, and nothing here does I/O.

    actions, chart   which charts there are, and what one is
    loader           reads charts, and refuses a bad one by file, state and key
    promises         what holds on every path of every chart
    position         one move along an edge, on `transitions`
    standing, step   where a run stands; one step, complete
    transition       one step of a run, as two pure functions: begin and settle
    run              the same with a clock and a network around it

Imports fivetran/ and values/.
"""
