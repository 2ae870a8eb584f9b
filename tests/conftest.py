"""What holds for every test of the suite.

Property tests have no deadline in real time, which only tells how busy the machine is, and try the same examples on
every run, so that a run is red by the change that it tests and by nothing else. New examples are looked for with
`make test ARGS=--hypothesis-profile=explore`, and by `make test-long`.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "explore", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("same", settings.get_profile("explore"), derandomize=True)
settings.load_profile("same")
