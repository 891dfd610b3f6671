"""Addresses: what covers what, and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.addresses import Address, AddressRefused, address_read, addresses_in, hosts_above
from moderation.selectors.optout import domains_found
from tests.factories.accounts import make_user
from tests.factories.optout import addresses, register_as

READ = [
    ("example.com", "example.com"),
    ("  https://www.Example.COM./  ", "example.com"),
    ("HTTP://EXAMPLE.com:8080/Gallery//7/", "example.com/gallery/7"),
    ("example.com/gallery/index.html", "example.com/gallery"),
    ("https://example.com/show.php?artist=5#top", "example.com/show.php?artist=5"),
    ("https://user:secret@example.com/", "example.com"),
    ("bücher.de", "xn--bcher-kva.de"),
    ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
    ("example。com", "example.com"),
    ("hxxps://example[.]com/a", "example.com/a"),
    ("https://ada.github.io/works", "ada.github.io/works"),
    ("www.com", "www.com"),
    ("https://example.com/%67allery", "example.com/gallery"),
]
REFUSED = [
    ("", "one address"),
    ("two words", "one address"),
    ("com", "shared by everybody"),
    ("co.uk", "shared by everybody"),
    ("https://github.io/", "shared by everybody"),
    ("http://127.0.0.1/", "no public domain"),
    ("http://[::1]/", "no host name"),
    ("localhost", "no public domain"),
    ("host.internal", "no public domain"),
    ("ftp://example.com/", "not ftp://"),
    ("javascript:alert(1)", "no address"),
    ("mailto:ada@example.com", "e-mail"),
    ("ada@example.com", "e-mail"),
    ("https://", "no host name"),
    ("https://example.com:port/", "no address"),
    ("-.com", "no host name|shared"),
    ("a" * 64 + ".com", "no host name"),
    ("example.com/" + "a" * 301, "too long"),
]


@pytest.mark.parametrize(("written", "read"), READ)
def test_address_is_read_in_one_form(written: str, read: str) -> None:
    assert str(address_read(written)) == read


@pytest.mark.parametrize(("written", "told"), REFUSED)
def test_what_nobody_can_opt_out_is_refused(written: str, told: str) -> None:
    with pytest.raises(AddressRefused, match=told):
        address_read(written)


COVERED = [
    ("example.com", "example.com"),
    ("example.com", "www.example.com/any/page"),
    ("example.com", "cdn.img.example.com/x.png"),
    ("example.com/gallery", "example.com/Gallery"),
    ("example.com/gallery", "www.example.com/gallery/7?size=big"),
    ("example.com/gallery", "example.com/gallery?size=big"),
    ("example.com/show?artist=5", "example.com/show?artist=5&page=2"),
    ("ada.github.io", "ada.github.io/works"),
    ("xn--bcher-kva.de", "BÜCHER.de"),
    ("example.co.uk", "shop.example.co.uk"),
]
APART = [
    ("example.com", "notexample.com"),
    ("example.com", "example.com.evil.net"),
    ("example.com", "example.org"),
    ("example.com", "exаmple.com"),  # a Cyrillic а
    ("example.com", "examp1e.com"),
    ("shop.example.com", "example.com"),
    ("shop.example.com", "other.example.com"),
    ("example.com/gallery", "example.com"),
    ("example.com/gallery", "example.com/gallery2"),
    ("example.com/gallery", "shop.example.com/gallery"),
    ("example.com/show?artist=5", "example.com/show?artist=55"),
    ("example.com/show?artist=5", "example.com/show"),
    ("ada.github.io", "eve.github.io"),
]


@pytest.mark.parametrize(("registered", "named"), COVERED)
def test_address_covers_what_lies_within(registered: str, named: str) -> None:
    assert address_read(registered).covers(address_read(named))


@pytest.mark.parametrize(("registered", "named"), APART)
def test_look_alikes_and_neighbours_are_not_covered(registered: str, named: str) -> None:
    assert not address_read(registered).covers(address_read(named))


def test_text_gives_its_addresses_and_nothing_else() -> None:
    text = (
        "From www.example.com, https://art.example.org/a_(b) and (http://shop.example.net). Also artist[.]de/x, "
        "e.g. version v1.5 of node.js, file.safetensors, me@example.edu, 10.0.0.1, end.Of.sentence; 50.5 %"
    )
    found = [str(address) for address in addresses_in(text)]
    assert found[:4] == ["example.com", "art.example.org/a_(b", "shop.example.net", "artist.de/x"]
    assert not [one for one in found if "example.edu" in one or "10.0.0.1" in one or "safetensors" in one]


@given(st.text(max_size=300))
def test_any_text_is_read_without_fail(text: str) -> None:
    for address in addresses_in(text):
        assert address.host in hosts_above(address)
        assert Address(address.host).covers(address)


@given(st.text("abcdefgh.-/:@?%[]()　。é ", max_size=60))
def test_what_is_read_reads_again_as_itself(text: str) -> None:
    try:
        address = address_read(text)
    except AddressRefused:
        return
    again = address_read(address.host)
    assert again.host == address.host
    assert Address(address.host).covers(address)


def test_long_hostile_texts_are_read_in_one_go() -> None:
    for text in ("a." * 50_000, "a@" * 50_000, "x" * 200_000, "http://" * 30_000, "-" * 100_000 + ".com"):
        assert len(addresses_in(text)) <= 50_000


@pytest.mark.django_db
def test_registered_addresses_are_found_in_declared_sources() -> None:
    ada = make_user("ada")
    register_as(ada, *addresses("example.com", "art.example.org/ada", "example.net/x"))
    hits = domains_found("Mine, https://img.example.com/7 and art.example.org/ada/2 not art.example.org/eve.")
    assert [(hit.address, hit.found, hit.verified, hit.holders) for hit in hits] == [
        ("art.example.org/ada", "art.example.org/ada/2", False, (ada.pk,)),
        ("example.com", "img.example.com/7", False, (ada.pk,)),
    ]
    assert domains_found("notexample.com example.com.evil.net") == ()
    assert domains_found("") == ()
