"""`[deployment]`: what a live camera's operator has to say, and what is refused as saying nothing."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from edge.deployment import COUNTRIES, Deployment, faults, judge

FILLED = Deployment(
    purpose="exhibition-feedback",
    jurisdiction="DE",
    legal_basis="legitimate-interest",
    controller="Museum",
    contact="privacy@museum.example",
    retention_days=90,
    notice="at the door",
    notice_version="1",
    notice_date=date(2026, 11, 1),
)


def wrong(**changed: object) -> list[str]:
    return [key for key, _ in faults(msgspec.structs.replace(FILLED, **changed))]


def test_a_filled_one_has_no_fault_and_an_empty_one_has_each_once() -> None:
    assert wrong() == []
    optional = ("consent_reference", "notice_policy", "notice_url")
    needed = [key for key in Deployment.__struct_fields__ if key not in optional]
    assert [key for key, _ in faults(Deployment())] == needed


@pytest.mark.parametrize("key", ["controller", "contact", "notice", "notice_version", "jurisdiction"])
@pytest.mark.parametrize("filler", [" ", ".", "?", " - ", "…", "???", "TODO", "n/a", "tbd.", "xxx", "–", "unknown"])
def test_blanks_dots_and_other_fillers_fill_nothing(key: str, filler: str) -> None:
    assert wrong(**{key: filler}) == [key]


@pytest.mark.parametrize("given", ["DE", "JP", "GB", "US-IL", "US-OR", "FR-75", "CH-ZH"])
def test_jurisdictions_are_iso_3166_codes(given: str) -> None:
    assert "jurisdiction" not in wrong(jurisdiction=given)


@pytest.mark.parametrize(
    "given", ["de", "UK", "EU", "Germany", "D", "DE-", "DE-Berlin", "US", "US-", "ZZ", "DE\n", "XX-IL"]
)
def test_no_jurisdiction_is_guessed(given: str) -> None:
    assert "jurisdiction" in wrong(jurisdiction=given)


def test_countries_are_all_that_iso_3166_assigned() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)


@pytest.mark.parametrize(
    "given",
    [
        "privacy@museum.example",
        "datenschutz@hänsel.example",
        "+49 30 123456-7",
        "(030) 1234567",
        "https://m.example/privacy",
    ],
)
def test_contacts_are_addresses_numbers_and_urls(given: str) -> None:
    assert wrong(contact=given) == []


@pytest.mark.parametrize(
    "given", ["Museum", "me@home", "@museum.example", "12345", "http://", "ask at the desk", "a@b@c.de"]
)
def test_what_reaches_nobody_is_no_contact(given: str) -> None:
    assert wrong(contact=given) == ["contact"]


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "research-with-consent"},
        {"purpose": "product-testing-with-consent"},
        {"legal_basis": "consent"},
        {"jurisdiction": "US-IL"},
        {"jurisdiction": "US-TX"},
        {"jurisdiction": "US-WA"},
        {"jurisdiction": "FR"},
    ],
)
def test_where_consent_is_needed_its_record_is_named(changed: dict[str, str]) -> None:
    assert wrong(**changed) == ["consent_reference"]
    assert wrong(**changed, consent_reference="?") == ["consent_reference"]
    assert wrong(**changed, consent_reference="register 12, office") == []


def test_no_two_letters_of_another_script_are_a_filler() -> None:
    assert wrong(notice="入口", controller="美術館") == []


def test_one_answer_is_judged_as_it_is_typed() -> None:
    assert judge("retention_days", "90") == ""
    assert judge("notice_date", "2026-11-01") == ""
    assert "cannot be meant" in judge("retention_days", "0")
    assert "cannot be meant" in judge("notice_date", "1.11.2026")
    assert "'UK' is no ISO 3166 code" in judge("jurisdiction", "UK")
    assert judge("legal_basis", "because")
