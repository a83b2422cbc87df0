"""Runs git: repositories as trees, whole-tree merges in a scratch repository, staging, commits.

Rules of this package: git never asks a question, and reads no configuration of system or user except where a
person's own commit is made; nothing of a project's (driver, filter, hook, attribute) runs; nothing is fetched but
a factory into its mirror; options and names never mix.
"""

from ai_factory.git.commits import Author, commit, commit_aside, first_commit, refuse_branch, tagged
from ai_factory.git.committed import Committed
from ai_factory.git.editions import Edition, Held, begin, grow, held, same_as_head
from ai_factory.git.exclude import exclude, excluded, include, known_lines, missing_lines
from ai_factory.git.history import Version, versions_of
from ai_factory.git.index import changed_index, forget_index, require_free_index
from ai_factory.git.merging import Names, merge_trees
from ai_factory.git.mirror import update_mirror
from ai_factory.git.objects import (
    NOBODY,
    SUBMODULE,
    Meeting,
    Release,
    authors,
    content_of,
    describe,
    existing,
    files_at,
    is_ancestor,
    list_tree,
    main_branch,
    meeting,
    named,
    object_id,
    parents,
    project_objects,
    read_blobs,
    releases,
    resolve,
)
from ai_factory.git.process import isolated, run
from ai_factory.git.proposals import Proposed, proposed
from ai_factory.git.reader import Commit, Reader, Reading, reading, reading_together
from ai_factory.git.references import Branch, branch_here, commit_of, common_ancestor, files_in, remotes, tag_times
from ai_factory.git.scratch import scratch, store
from ai_factory.git.signatures import Signature, aside, signature, signer
from ai_factory.git.timeline import Moment, Timeline, timeline
from ai_factory.git.worktree import (
    UNKNOWN,
    Stage,
    Status,
    ignored,
    index_listing,
    repository_of,
    restage,
    stage,
    status,
    still,
    unmerged,
)

__all__ = [
    "NOBODY",
    "SUBMODULE",
    "UNKNOWN",
    "Author",
    "Branch",
    "Commit",
    "Committed",
    "Edition",
    "Held",
    "Meeting",
    "Moment",
    "Names",
    "Proposed",
    "Reader",
    "Reading",
    "Release",
    "Signature",
    "Stage",
    "Status",
    "Timeline",
    "Version",
    "aside",
    "authors",
    "begin",
    "branch_here",
    "changed_index",
    "commit",
    "commit_aside",
    "commit_of",
    "common_ancestor",
    "content_of",
    "describe",
    "exclude",
    "excluded",
    "existing",
    "files_at",
    "files_in",
    "first_commit",
    "forget_index",
    "grow",
    "held",
    "ignored",
    "include",
    "index_listing",
    "is_ancestor",
    "isolated",
    "known_lines",
    "list_tree",
    "main_branch",
    "meeting",
    "merge_trees",
    "missing_lines",
    "named",
    "object_id",
    "parents",
    "project_objects",
    "proposed",
    "read_blobs",
    "reading",
    "reading_together",
    "refuse_branch",
    "releases",
    "remotes",
    "repository_of",
    "require_free_index",
    "resolve",
    "restage",
    "run",
    "same_as_head",
    "scratch",
    "signature",
    "signer",
    "stage",
    "status",
    "still",
    "store",
    "tag_times",
    "tagged",
    "timeline",
    "unmerged",
    "update_mirror",
    "versions_of",
]
