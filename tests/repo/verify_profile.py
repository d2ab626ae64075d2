"""A pytest plugin for `make verify`: the Hypothesis profile of the long samples.

Tests that set their own `max_examples` keep it; all others get this many.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("verify", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
