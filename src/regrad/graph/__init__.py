"""What was recorded and how long it lives. Start reading at `node`, then `engine.run`, then `lifetime`.

    value       the bare box: an array and where it came from
    node        nodes, outputs, leaves, plans, the clock
    saved       saved values: opened for a rule, packed by a policy
    versions    in-place writes, marked on the memory that was written
    engine      the pass from roots to leaves
    lifetime    checks before a pass and the stories told when they fail; bytes held
    modes       recording, inference, policies: what happens when an op runs
    provenance  the user's file and line of everything
"""
