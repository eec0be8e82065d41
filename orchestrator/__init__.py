"""Run Fivetran syncs from a data pipeline; each action is a declared state machine.

The modules import in one direction, from the top of this list to the bottom:

    cli            the command line; without arguments, the container's job
    commands       its commands, a module each
    debugger       a run step by step, forwards and backwards
    job            one job from its variables to its exit code
    replay         a journal played again, up to the first difference
    recorder       stands between a run and its world, and writes the journal
    reporter       what is written when a run ends; it imports what draws, then
    reports        a module each for the page, JUnit, dotenv, annotations: from result.json
    journal        its lines, and what reads them
    configuration  variables -> Settings, everything wrong reported at once
    driver         Run and drive: time, signals, failures, one step after another
    promises       what every chart keeps on every path
    world          clock, network, disk and signals, as the driver sees them
    loader         statecharts/*.toml -> Chart, refusing a bad one by name
    effects        what to ask Fivetran, and what its answer means
    why            the rule that decided a step, in words
    deeds          what an effect does, as promises speak of it
    vocabulary     what each event, effect, pause and choice means
    progress       what a polled document says about our sync
    report         the result of a run as one document
    client         one request, one answer or one failure
    chart, machine, facts, exchange, events     plain values
"""

__version__ = "0.2.0"
