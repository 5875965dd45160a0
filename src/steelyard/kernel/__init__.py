"""What every room stands on: canonical JSON, digests, strict YAML and base64, time, names, errors.

Imports nothing else of Steelyard. Everything here is pure except `files`
(which writes) and `clock.utc_now` (which only `cli` and `server` may call).
"""

from steelyard.kernel.canonical import (
    JsonObject,
    JsonValue,
    canonical_json,
    parse_json,
    parse_json_object,
)
from steelyard.kernel.clock import days_after, exact_instant, format_instant, parse_instant, utc_now
from steelyard.kernel.digest import (
    digest_file,
    digest_json,
    keyed_digest,
    sha256_hex,
)
from steelyard.kernel.files import read_bytes, write_atomically
from steelyard.kernel.identifiers import check_label, check_name, check_sha256
from steelyard.kernel.strict_base64 import read_base64
from steelyard.kernel.strict_yaml import parse_yaml

__all__ = [
    "JsonObject",
    "JsonValue",
    "canonical_json",
    "check_label",
    "check_name",
    "check_sha256",
    "days_after",
    "digest_file",
    "digest_json",
    "exact_instant",
    "format_instant",
    "keyed_digest",
    "parse_instant",
    "parse_json",
    "parse_json_object",
    "parse_yaml",
    "read_base64",
    "read_bytes",
    "sha256_hex",
    "utc_now",
    "write_atomically",
]
