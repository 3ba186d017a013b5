"""For all tests."""

from hypothesis import settings

# machines are noisy: no test is timed
settings.register_profile("repdyn", deadline=None)
settings.load_profile("repdyn")
