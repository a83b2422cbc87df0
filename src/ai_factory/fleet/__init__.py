"""One verb over many repositories: the registry, what they are like now, a plan, and what brings it to them.

Rules of this package: a project is read as a commit has it, and never checked out; nothing that it holds runs; what was
not seen is unknown, never good; a person's commit is never written over; one project's failure stops no other one.
"""
