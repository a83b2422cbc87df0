"""The controls that come from the factory: they import nothing of the team's code."""

import os

# One thread is fastest on small data. Numerical libraries read this when they are loaded, which is
# after the controls: whatever starts the system imports these first.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
