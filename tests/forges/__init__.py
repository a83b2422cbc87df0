r"""A code host on this machine, for tests: real git over HTTP (`githttp`), and its programming interfaces (`double`).

What a test needs, in short:

    from tests.forges.double import Fault, host_at, limited
    from tests.forges.githttp import Rule

    with host_at(tmp_path / "www") as host:
        host.repository("risk/credit-line", {"README.md": "hello\n"})  # a bare repository with one commit on `main`
        host.push("risk/credit-line", "next", {"a.py": "", "b": None})  # another commit; None removes a file
        host.remember()                                                # git finds the token in its own store
        host.clone_url("risk/credit-line")                             # the address for git, without the token
        forge = forge_at(host.spec("github"), host.token())            # or "gitlab", "gitea": the same repositories

    host.rules["risk/credit-line"] = Rule(status=403)  # what git is told from now on: refuse, be slow, hang up
    host.protect("risk/credit-line", "main")           # a real `pre-receive` hook
    host.rights["risk/credit-line"] = {"pull"}         # what our identity may do, told by the interfaces
    host.archived.add("risk/old")
    host.faults.append(limited("POST", "/pulls"))      # what an interface does wrong, once
    host.people.close("risk/credit-line", 1)           # what others do: also merge, comment, judge, run
    host.pulls, host.notes, host.judged                # what is there: pull requests, comments, statuses
    host.seen                                          # every request, with its `Authorization`

Where only git is asked, `githttp.serving` is enough.
"""
