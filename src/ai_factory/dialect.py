"""The YAML that is read and written here: 1.2, plain data only, a date stays the text that was written."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.resolver import VersionedResolver

from ai_factory.documents import NODE_LIMIT


class _Constructor(SafeConstructor):
    """Plain data only: a date stays the text that was written."""

    def flatten_mapping(self, node: Any) -> Any:
        """What `<<` merges into a mapping; a chain of merges can double at each link."""
        merged = super().flatten_mapping(node)
        if len(node.value) > NODE_LIMIT:
            raise ConstructorError(None, None, f"it merges more than {NODE_LIMIT} values", node.start_mark)
        return merged


class _Resolver(VersionedResolver):
    """Takes no text for a date, so that an edit gives it back as it was written."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        return self.DEFAULT_SCALAR_TAG if str(tag) == "tag:yaml.org,2002:timestamp" else tag


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def reader() -> YAML:
    """Reads plain data, or composes nodes with their lines."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml


def writer() -> YAML:
    """Reads and writes a document with its comments, order and quotes."""
    yaml = YAML(typ="rt")
    yaml.Resolver = _Resolver
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
