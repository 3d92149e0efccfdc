"""Names and labels: the syntax rules that all Kubernetes objects share.

Called by the embedded API server's validation and by whoever makes names.  Invariant: each check returns the sentence
that the API server would say, or an empty text; results are cached, because the same few names come in every object.
"""

from __future__ import annotations

import re
from functools import lru_cache

LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253
GENERATED_LENGTH = 63
SUFFIX_LENGTH = 5

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")


@lru_cache(maxsize=4096)
def dns_label_error(name: str) -> str:
    """Why `name` is no RFC 1123 label (containers, volumes, namespaces); empty when it is one."""
    if len(name) > LABEL_LENGTH:
        return f"must be no more than {LABEL_LENGTH} characters"
    if not _LABEL.fullmatch(name):
        return (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name', or '123-abc', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        )
    return ""


def dns_1035_label_error(name: str) -> str:
    """Why `name` is no RFC 1035 label (services); empty when it is one."""
    if len(name) > LABEL_LENGTH:
        return f"must be no more than {LABEL_LENGTH} characters"
    if not _LABEL_1035.fullmatch(name):
        return (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
        )
    return ""


def path_segment_error(name: str) -> str:
    """Why `name` cannot be one part of a path (roles and bindings); empty when it can."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    return next((f"may not contain '{each}'" for each in "/%" if each in name), "")


def dns_subdomain_error(name: str) -> str:
    """Why `name` is no RFC 1123 subdomain (most objects' names); empty when it is one."""
    if len(name) > SUBDOMAIN_LENGTH:
        return f"must be no more than {SUBDOMAIN_LENGTH} characters"
    if not _SUBDOMAIN.fullmatch(name):
        return (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    return ""


@lru_cache(maxsize=4096)
def qualified_name_error(key: str) -> str:
    """Why `key` is no label or annotation key, `[prefix/]name`; empty when it is one."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or dns_subdomain_error(prefix)):
        return "prefix part must be a lowercase RFC 1123 subdomain"
    if not name:
        return "name part must be non-empty"
    if len(name) > LABEL_LENGTH:
        return f"name part must be no more than {LABEL_LENGTH} characters"
    if not _QUALIFIED.fullmatch(name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName', or 'my.name', or '123-abc')"
        )
    return ""


@lru_cache(maxsize=4096)
def label_value_error(value: str) -> str:
    """Why `value` is no label value; empty when it is one."""
    if len(value) > LABEL_LENGTH:
        return f"must be no more than {LABEL_LENGTH} characters"
    if value and not _QUALIFIED.fullmatch(value):
        return (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue', or 'my_value', or '12345')"
        )
    return ""


def config_key_error(key: str) -> str:
    """Why `key` is no key of a ConfigMap or Secret; empty when it is one."""
    if len(key) > SUBDOMAIN_LENGTH:
        return f"must be no more than {SUBDOMAIN_LENGTH} characters"
    if not _CONFIG_KEY.fullmatch(key) or key == "." or key.startswith(".."):
        return (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', or "
            "'KEY_NAME', or 'key-name'), and must not be '.' or start with '..'"
        )
    return ""


def generated_name(prefix: str, suffix: str) -> str:
    """The name for `generateName`: the prefix, shortened so that the suffix of 5 characters fits, and the suffix."""
    return prefix[: GENERATED_LENGTH - SUFFIX_LENGTH] + suffix
