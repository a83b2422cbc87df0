"""Renders templates of Copier and Cookiecutter with those libraries, and takes over projects that they made."""
