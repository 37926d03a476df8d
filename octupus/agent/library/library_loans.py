"""A public library: its catalogue, loans with due dates, renewals and reservations. 图书馆。"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Education"

_DATA = Path(__file__).parent / "data"
_CAST = json.loads((_DATA / "cast.json").read_text(encoding="utf-8"))
_BOOKS = json.loads((_DATA / "books.json").read_text(encoding="utf-8"))
_LOAN_DAYS = 28
_MOST_LOANS = 5
_MOST_RENEWALS = 2


def initial_state(seed: int) -> dict[str, Any]:
    """All books with copies left, two loans and one reservation of the user."""
    draw = random.Random(f"library_loans:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    books = [{**book, "copies_left": draw.choice([0, 1, 1, 2])} for book in _BOOKS]
    first, second, wanted = draw.sample(books, 3)
    wanted["copies_left"] = 0
    loans = [
        {
            "id": f"loan_{number}",
            "book_id": book["id"],
            "due": str(date.fromisoformat(now[:10]) + timedelta(days=days)),
            "renewals": draw.randrange(_MOST_RENEWALS + 1),
        }
        for number, (book, days) in enumerate([(first, draw.randrange(2, 20)), (second, -draw.randrange(1, 6))], 1)
    ]
    return {"now": now, "books": books, "loans": loans, "reservations": [wanted["id"]], "next_id": 3}


def search_books(
    text: str = "",
    language: Literal["English", "French", "German", "Spanish", "Chinese"] | None = None,
    available_only: bool = False,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Search the library's books by title or author.

    Args:
        text: Part of the title or of the author's name, such as 红楼梦 or Austen.
        language: Language of the book.
        available_only: Whether only books with a copy left are wanted.
    """
    wanted = text.strip().casefold()
    found = [
        book
        for book in state["books"]
        if (wanted in book["title"].casefold() or wanted in book["author"].casefold())
        and language in (None, book["language"])
        and (book["copies_left"] > 0 or not available_only)
    ]
    return {"books": found}


def borrow_book(book_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Borrow a book for four weeks.

    Args:
        book_id: Id of the book, such as book_19.
    """
    book = _book(book_id, state)
    if any(loan["book_id"] == book_id for loan in state["loans"]):
        raise ValueError(f"the user has {book['title']} already")
    if len(state["loans"]) >= _MOST_LOANS:
        raise ValueError(f"at most {_MOST_LOANS} books can be borrowed at once; return one first")
    if book["copies_left"] < 1:
        raise ValueError(f"no copy of {book['title']} is left; reserve_book puts the user on its list")
    book["copies_left"] -= 1
    state["reservations"] = [other for other in state["reservations"] if other != book_id]
    loan = {"id": f"loan_{state['next_id']}", "book_id": book_id, "due": _due(state), "renewals": 0}
    state["next_id"] += 1
    state["loans"].append(loan)
    return {**loan, "title": book["title"]}


def list_loans(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the books that the user has, with the days by which they are due, and those reserved."""
    today = state["now"][:10]
    loans = [
        {**loan, "title": _book(loan["book_id"], state)["title"], "overdue": loan["due"] < today}
        for loan in state["loans"]
    ]
    return {"loans": loans, "reservations": state["reservations"]}


def renew_loan(loan_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Keep a borrowed book for four weeks from today, at most twice and not once it is overdue.

    Args:
        loan_id: Id of the loan, such as loan_1.
    """
    loan = _loan(loan_id, state)
    if loan["due"] < state["now"][:10]:
        raise ValueError(f"{loan_id} was due on {loan['due']} and can only be returned")
    if loan["renewals"] >= _MOST_RENEWALS:
        raise ValueError(f"{loan_id} was renewed {_MOST_RENEWALS} times, which is the most")
    loan["renewals"] += 1
    loan["due"] = _due(state)
    return loan


def return_book(loan_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Give a borrowed book back; each day that it is late costs 0.20 EUR.

    Args:
        loan_id: Id of the loan, such as loan_1.
    """
    loan = _loan(loan_id, state)
    state["loans"].remove(loan)
    book = _book(loan["book_id"], state)
    book["copies_left"] += 1
    late = max(0, (date.fromisoformat(state["now"][:10]) - date.fromisoformat(loan["due"])).days)
    return {"returned": book["title"], "days_late": late, "fee": late * 20 / 100}


def reserve_book(book_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Reserve a book of which no copy is left.

    Args:
        book_id: Id of the book, such as book_19.
    """
    book = _book(book_id, state)
    if book_id in state["reservations"]:
        raise ValueError(f"{book['title']} is reserved already")
    if book["copies_left"] > 0:
        raise ValueError(f"{book['copies_left']} copies of {book['title']} are left; borrow_book takes one")
    state["reservations"].append(book_id)
    return {"reserved": book["title"]}


def _book(book_id: str, state: dict[str, Any]) -> dict[str, Any]:
    books: list[dict[str, Any]] = state["books"]
    for book in books:
        if book["id"] == book_id:
            return book
    raise ValueError(f"there is no book {book_id!r}; ids go from book_1 to book_{len(books)}")


def _loan(loan_id: str, state: dict[str, Any]) -> dict[str, Any]:
    loans: list[dict[str, Any]] = state["loans"]
    for loan in loans:
        if loan["id"] == loan_id:
            return loan
    raise ValueError(f"there is no loan {loan_id!r}; there are: {', '.join(loan['id'] for loan in loans) or 'none'}")


def _due(state: dict[str, Any]) -> str:
    return str(date.fromisoformat(state["now"][:10]) + timedelta(days=_LOAN_DAYS))
