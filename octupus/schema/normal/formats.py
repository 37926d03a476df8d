"""Formats as patterns: narrower than their standards, so that every string admitted is one of the format.

The syntax is what Python, Rust and ECMAScript share. February has 28 days here, a leap second never comes.
"""

from __future__ import annotations

_DAY = (
    r"[0-9]{4}-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))"
    r"|(02-(0[1-9]|1[0-9]|2[0-8])))"
)
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_OFFSET = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX = r"[0-9A-Fa-f]"
_GROUP = r"[0-9A-Fa-f]{1,4}"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9]|-[A-Za-z0-9]){0,25}"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,3}}"
_WORD = r"[A-Za-z0-9_+-]{1,16}"
_SEGMENT = r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*"

FORMATS = {
    # RFC 3339; the year 0000 is none to Python.
    "date": rf"^{_DAY.replace('[0-9]{4}', '([1-9][0-9]{3}|0[1-9][0-9]{2})', 1)}$",
    "time": rf"^{_CLOCK}{_OFFSET}$",
    "date-time": rf"^{_DAY.replace('[0-9]{4}', '([1-9][0-9]{3}|0[1-9][0-9]{2})', 1)}T{_CLOCK}{_OFFSET}$",
    # ISO 8601 as in RFC 3339, appendix A.
    "duration": (
        r"^P([0-9]{1,9}W|([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)"
        r"(T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S))?"
        r"|T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S))$"
    ),
    # RFC 5321: the dot-string form of the local part, at most 64 characters; a domain of names.
    "email": rf"^{_WORD}(\.{_WORD}){{0,2}}@{_HOST}$",
    # RFC 1123, letters, digits and single hyphens.
    "hostname": rf"^{_HOST}$",
    "ipv4": rf"^{_BYTE}(\.{_BYTE}){{3}}$",
    # RFC 4291 without embedded IPv4: eight groups, or fewer around one `::`.
    "ipv6": (
        rf"^(({_GROUP}:){{7}}{_GROUP}|({_GROUP}:){{1,7}}:|({_GROUP}:){{1,6}}:{_GROUP}"
        rf"|({_GROUP}:){{1,5}}(:{_GROUP}){{2}}|({_GROUP}:){{1,4}}(:{_GROUP}){{3}}|({_GROUP}:){{1,3}}(:{_GROUP}){{4}}"
        rf"|({_GROUP}:){{1,2}}(:{_GROUP}){{5}}|{_GROUP}:(:{_GROUP}){{6}}|:((:{_GROUP}){{1,7}}|:))$"
    ),
    "uuid": rf"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$",
    # RFC 3986 with an authority, which is what a uri is asked for.
    "uri": (
        rf"^[A-Za-z][A-Za-z0-9+.-]{{0,15}}://{_HOST}(:[0-9]{{1,4}})?(/{_SEGMENT})*"
        rf"(\?([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%{_HEX}{{2}})*)?(#([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%{_HEX}{{2}})*)?$"
    ),
}
"""By name; the names are `schema.admission.KNOWN_FORMATS`."""
