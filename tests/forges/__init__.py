r"""A code host on this machine, for tests: real git over HTTP (`githttp`), and its programming interfaces (`double`).

What a test needs, in short:

    from tests.forges.double import host_at

    with host_at(tmp_path / "www") as host:
        host.repository("risk/credit-line", {"README.md": "hello\n"})  # a bare repository with one commit on `main`
        forge = forge_at(host.spec("github"), host.token())            # or "gitlab", "gitea": the same repositories
        host.clone_url("risk/credit-line")                             # for git; the password is `host.secret`
        host.rules["risk/credit-line"] = Rule(status=403)              # what git is told about it from now on
        host.protect("risk/credit-line", "main")                       # a real `pre-receive` hook
        host.faults.append(limited("POST", "/pulls"))                  # what its interface does wrong, once
        host.seen                                                      # every request, with its `Authorization`

`host.people` is what others do there: close, merge, comment, judge a commit.
"""
