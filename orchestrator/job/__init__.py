"""One connection in a pipeline: from its variables to its exit code, its log and its files.

    job, python_call, arguments        where the parts are put together; the same for Python programs
    dry_run, listing                   what a job would do; the account's connections
    configuration, variables           settings from variables; what the variables are
    inputs, credentials, vault         one value; key and secret; the DataOps vault
    address, network_variables         FIVETRAN_API_URL; CA bundles and proxies
    tables, own_chart, pasted_id       TABLES; FIVETRAN_CHART; what was pasted as CONNECTOR_ID
    masking, limits                    secrets taken out; time limits and signals
    log, streams                       the log's form; who reads it
    run_log, messages, verdict_block   what it says of a run, of a step, and at the end
    trace, result, stdout              the steps kept; the result as a document; what is printed
    report_folder, report              what goes into FIVETRAN_REPORT_DIR; what is drawn for it
    version                            which build this is: version, commit, Python
    journal, state_file, files         a run written down, to be replayed or taken up; files, safely

Imports drawing/, machine/, fivetran/ and values/.
"""
