"""The demonstration: a real job through a whole service started for it, from footage to a file one can look at.

`python -m orchestrator_tasks.demo` runs it. `stack` starts and stops the service, `media` provides the sources,
`server` serves them, `scene` is the job, `viewer` reads the result with a reader that has no part in rendering it.
"""
