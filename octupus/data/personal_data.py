"""Personal data and secrets in text, found by their form.

A find must look like the thing and pass what check digits it has; what people write as an example is left alone:

- email: not at example.com, the other reserved domains and the likes of company.com, not of a role such as support@;
- phone: with a country code, in North American form, or a Chinese mobile number; not with the exchange 555, not
  counting up, not of one or two digits repeated;
- resident_id: Chinese, with a date of birth and the right check digit;
- card: of a known issuer, passes Luhn; not one of the payment companies' test numbers;
- iban: of its country's length, remainder 1 modulo 97; not one of the banks' specimens;
- ip: IPv4 that is reachable on the internet; no documentation range, no public resolver, no version number;
- secret: the published forms of API keys and private keys; not with "example" or a run of x in it.

Names and postal addresses have no form to find them by. No pattern can be made slow: every repetition is bounded.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from typing import Literal, NamedTuple

PersonalDataKind = Literal["secret", "email", "iban", "resident_id", "card", "phone", "ip"]


class Found(NamedTuple):
    """One find: `text[start:end]` looks like `kind`."""

    kind: PersonalDataKind
    start: int
    end: int


def find_personal_data(text: str) -> list[Found]:
    """What in the text looks like personal data, in order. No two finds overlap: the stricter form wins."""
    found: list[Found] = []
    has_number = _LONG_NUMBER.search(text) is not None
    for kind, hints, pattern, accepts in _FORMS:
        if not (any(hint in text for hint in hints) if hints else has_number):
            continue
        for match in pattern.finditer(text):
            start, end = match.span()
            if all(end <= other.start or start >= other.end for other in found) and accepts(match):
                found.append(Found(kind, start, end))
    return sorted(found, key=lambda find: find.start)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LONG_NUMBER = re.compile(r"[0-9][0-9 .()-]{6}")
_PLACEHOLDER_DOMAINS = ("domain.com", "yourdomain.com", "company.com", "yourcompany.com", "mycompany.com", "email.com")
_RESERVED_ENDINGS = (".example", ".test", ".invalid", ".localhost", ".local")
_ROLES = _set(
    "abuse admin billing contact customerservice feedback git hello help hr info jobs legal mail marketing media news "
    "no-reply noreply office press privacy sales security service support team webmaster"
)
_IMAGE_SCALE = re.compile(r"[0-9]+x\.(?:png|jpg|jpeg|gif|webp|svg)", re.IGNORECASE)
_TEST_CARDS = _set(
    "4111111111111111 4012888888881881 4242424242424242 4000056655665556 4222222222222 5555555555554444 "
    "5105105105105100 5200828282828210 2223003122003222 378282246310005 371449635398431 378734493671000 "
    "6011111111111117 6011000990139424 6011000000000004 3530111333300000 3566002020360505 30569309025904 "
    "38520000023237 4532015112830366 4539578763621486 4000000000000002"
)
_ISSUERS = re.compile(r"(?:4|5[1-5]|2[2-7]|6011|6[245]|35)[0-9]*|3[47][0-9]{13}|3[068][0-9]{12}")
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24,
    "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26,
}  # fmt: skip
_SPECIMEN_IBANS = _set(
    "GB82WEST12345698765432 GB29NWBK60161331926819 GB33BUKB20201555555555 DE89370400440532013000 "
    "DE91100000000123456789 FR1420041010050500013M02606 FR7630006000011234567890189 ES9121000418450200051332 "
    "NL91ABNA0417164300 CH9300762011623852957 IT60X0542811101000000123456 BE68539007547034 AT611904300234573201"
)
_RESOLVERS = _set("8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 1.2.3.4 208.67.222.222 208.67.220.220")
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS = "10X98765432"
_COUNTING = "01234567890123456789"


def _is_email(match: re.Match[str]) -> bool:
    name, _, domain = match.group().lower().partition("@")
    labels = domain.split(".")
    if len(labels) < 2 or not all(labels) or not labels[-1].isalpha() or len(labels[-1]) < 2:
        return False
    if name in _ROLES or name.startswith(("your", "user@", "example")) or _IMAGE_SCALE.fullmatch(domain):
        return False
    if domain in _PLACEHOLDER_DOMAINS or any(label.startswith("example") for label in labels):
        return False
    return not domain.endswith(_RESERVED_ENDINGS)


def _is_international_phone(match: re.Match[str]) -> bool:
    digits = _digits(match.group())
    if not 9 <= len(digits) <= 15 or _made_up(digits):
        return False
    return not digits.startswith("1") or (len(digits) == 11 and _is_north_american(digits[1:]))


def _is_north_american_phone(match: re.Match[str]) -> bool:
    digits = _digits(match.group())
    return _is_north_american(digits) and not _made_up(digits)


def _is_north_american(digits: str) -> bool:
    """Ten digits whose area and exchange codes can be given out; 555 is for films and examples."""
    return digits[0] in "23456789" and digits[3] in "23456789" and "555" not in (digits[:3], digits[3:6])


def _is_chinese_mobile(match: re.Match[str]) -> bool:
    digits = _digits(match.group())
    return not _made_up(digits) and digits != "13800138000"


def _is_resident_id(match: re.Match[str]) -> bool:
    number = match.group().upper()
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, number, strict=False))
    return born.year >= 1900 and number[17] == _RESIDENT_CHECKS[total % 11]


def _is_card(match: re.Match[str]) -> bool:
    digits = _digits(match.group())
    if digits in _TEST_CARDS or not _ISSUERS.fullmatch(digits) or len(set(digits)) < 3:
        return False
    if digits[0] != "3" and len(digits) != 16:
        return False
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(value // 10 + value % 10 for value in doubled)) % 10 == 0


def _is_iban(match: re.Match[str]) -> bool:
    compact = match.group().replace(" ", "")
    if len(compact) != _IBAN_LENGTHS.get(compact[:2]) or compact in _SPECIMEN_IBANS:
        return False
    rotated = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rotated)) % 97 == 1


def _is_address(match: re.Match[str]) -> bool:
    octets = match.group().split(".")
    if match.group() in _RESOLVERS or all(len(octet) == 1 for octet in octets) or _made_up("".join(octets)):
        return False  # four single digits number versions and sections more often than machines
    try:
        return ipaddress.IPv4Address(match.group()).is_global
    except ValueError:
        return False


def _is_secret(match: re.Match[str]) -> bool:
    body = match.group().lower()
    return not any(word in body for word in ("example", "xxxx", "your", "1234567", "abcdef")) and len(set(body)) > 9


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


def _made_up(digits: str) -> bool:
    """Whether the number's last eight digits are of two kinds at most, or seven of all count up or down."""
    if len(set(digits[-8:])) < 3:
        return True
    windows = (digits[start : start + 7] for start in range(len(digits) - 6))
    return any(window in _COUNTING or window in _COUNTING[::-1] for window in windows)


_FORMS: tuple[tuple[PersonalDataKind, tuple[str, ...], re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    (
        "secret",
        ("sk-", "AKIA", "gh", "xox", "AIza", "hf_", "PRIVATE KEY-----"),
        re.compile(
            r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,200}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|"
            r"github_pat_[A-Za-z0-9_]{60,100}|xox[abprs]-[A-Za-z0-9-]{20,200}|AIza[A-Za-z0-9_-]{35}|"
            r"hf_[A-Za-z0-9]{34})(?![A-Za-z0-9])|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
        ),
        _is_secret,
    ),
    (
        "email",
        ("@",),
        re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-][A-Za-z0-9.-]{0,250}[A-Za-z]"),
        _is_email,
    ),
    (
        "iban",
        tuple(_IBAN_LENGTHS),
        re.compile(
            r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,27}|(?: [A-Z0-9]{4}){2,6} [A-Z0-9]{1,4})(?![A-Za-z0-9])"
        ),
        _is_iban,
    ),
    ("resident_id", (), re.compile(r"(?<![0-9])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])"), _is_resident_id),
    (
        "card",
        (),
        re.compile(
            r"(?<![0-9.-])(?:[0-9]{14,16}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|"
            r"[0-9]{4}([ -])[0-9]{6}\2[0-9]{5})(?![0-9-]|\.[0-9])"
        ),
        _is_card,
    ),
    ("phone", ("+",), re.compile(r"(?<![0-9A-Za-z+])\+[1-9][0-9 ().-]{7,20}[0-9](?![0-9])"), _is_international_phone),
    (
        "phone",
        (),
        re.compile(r"(?<![0-9A-Za-z.+-])(?:\([0-9]{3}\) ?|[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}(?![0-9A-Za-z-])"),
        _is_north_american_phone,
    ),
    (
        "phone",
        (),
        re.compile(r"(?<![0-9A-Za-z.])1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9A-Za-z.])"),
        _is_chinese_mobile,
    ),
    (
        "ip",
        (),
        re.compile(
            r"(?<![0-9A-Za-z.])(?<![Vv]ersion )[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])"
        ),
        _is_address,
    ),
)
"""What is looked for, the stricter form first: kind, texts of which it holds one, or else a long number, pattern, and
what a match must satisfy."""
