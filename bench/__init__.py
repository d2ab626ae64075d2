"""The benchmark: one timeline rendered through the running system, by the best hand-written FFmpeg command and by
MoviePy 2, in interleaved pairs on the same machine.

`python -m bench` runs it. Only ratios are judged: hosts change speed by 10 % within an hour, so a number of seconds
says nothing and a ratio of two neighbours says much. `goals` has the rules, `timeline` what is rendered.
"""
