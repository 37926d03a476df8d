"""Personal data by its form. Every number here is made up for the test."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.data.personal_data import find_personal_data


def kinds(text: str) -> list[str]:
    return [found.kind for found in find_personal_data(text)]


def resident_id(first: str) -> str:
    weights = [pow(2, 17 - place, 11) for place in range(17)]
    check = (12 - sum(weight * int(digit) for weight, digit in zip(weights, first, strict=True)) % 11) % 11
    return first + "0123456789X"[check]


def luhn(first: str) -> str:
    total = sum(
        sum(divmod(2 * int(digit), 10)) if place % 2 == 0 else int(digit) for place, digit in enumerate(first[::-1])
    )
    return first + str(-total % 10)


def iban(country: str, account: str) -> str:
    number = "".join(str(int(character, 36)) for character in account + country + "00")
    return f"{country}{98 - int(number) % 97:02}{account}"


CARD = luhn("453971620385174")
IBAN = iban("DE", "500105175407324931")


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("mail kim.lee+x@mailbox.org now", "email", "kim.lee+x@mailbox.org"),
        ("请发到zhang_w@qq.com，谢谢", "email", "zhang_w@qq.com"),
        ("End: a.b@c-d.co.uk.", "email", "a.b@c-d.co.uk"),
        ("call +49 30 901820-64", "phone", "+49 30 901820-64"),
        ("call +1 (415) 273-9164 today", "phone", "+1 (415) 273-9164"),
        ("call (415) 273-9164", "phone", "(415) 273-9164"),
        ("call 415-273-9164.", "phone", "415-273-9164"),
        ("电话13915728046。", "phone", "13915728046"),
        ("电话 139-1572-8046", "phone", "139-1572-8046"),
        ("身份证" + resident_id("33010619850412317"), "resident_id", resident_id("33010619850412317")),
        ("card " + CARD, "card", CARD),
        (f"card {CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}", "card", None),
        ("amex " + luhn("37828224631984"), "card", luhn("37828224631984")),
        ("pay to " + IBAN, "iban", IBAN),
        (f"pay to {' '.join(IBAN[place : place + 4] for place in range(0, 22, 4))} soon", "iban", None),
        ("from 93.184.77.12:80", "ip", "93.184.77.12"),
        ("key sk-Zq83kdLw02mNvB7xTyR5", "secret", "sk-Zq83kdLw02mNvB7xTyR5"),
        ("AKIAQ7ZR2MW8KD4LX9PT", "secret", "AKIAQ7ZR2MW8KD4LX9PT"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "secret", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_found(text: str, kind: str, found: str | None) -> None:
    (only,) = find_personal_data(text)
    assert only.kind == kind
    if found is not None:
        assert text[only.start : only.end] == found


@pytest.mark.parametrize(
    "text",
    [
        "jane@example.com, jane@mail.example.org, boss@company.com, a@b.test, support@shop.io, @user, a@b",
        "logo@2x.png",
        "call 555-123-4567, (415) 555-0123 or +1 415-555-0199",
        "+1 234 567 8901, 13812345678, 13800138000, 13888888888",
        "order 123456789012, 2024-03-15, 3.14159265358979, 1710489600, 1710489600000",
        "4111 1111 1111 1111 and 4242424242424242 and 5555-5555-5555-4444",
        CARD[:-1] + str((int(CARD[-1]) + 1) % 10),
        resident_id("33010619850412317")[:-1] + "?",
        resident_id("33010619851412317"),
        "GB82 WEST 1234 5698 7654 32, DE89370400440532013000",
        IBAN[:-1] + str((int(IBAN[-1]) + 1) % 10),
        "10.0.0.1 192.168.1.1 127.0.0.1 192.0.2.7 203.0.113.9 8.8.8.8 999.1.1.1",
        "version 12.30.44.51 1.2.3.4.5 section 4.2.1.3",
        "sk-your-api-key-goes-here-please, AKIAIOSFODNN7EXAMPLE, sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "In 2023, 1,234,567 people paid $100 each for 3 x 4 things",
    ],
)
def test_left_alone(text: str) -> None:
    assert find_personal_data(text) == []


def test_several_in_order() -> None:
    text = f"{CARD} kim@mailbox.org 93.184.77.12"
    assert kinds(text) == ["card", "email", "ip"]


@given(st.text() | st.text("0123456789 +-().@aA") | st.lists(st.sampled_from([CARD, IBAN, "+", "@", " "])).map("".join))
def test_finds_lie_in_the_text_and_apart(text: str) -> None:
    end = 0
    for found in find_personal_data(text):
        assert end <= found.start < found.end <= len(text)
        end = found.end


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "+1 ", "1234 ", "a@", "a@b.", "AB12 ", "1.2.3.4.", "sk-", "(123) ", "-----BEGIN ", "12-"]
)
def test_no_text_is_slow(piece: str) -> None:
    started = time.perf_counter()
    find_personal_data(piece * (200_000 // len(piece)))
    assert time.perf_counter() - started < 5
