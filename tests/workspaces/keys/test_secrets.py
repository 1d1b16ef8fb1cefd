import hashlib

import pytest

from workspaces.keys import secrets

SAMPLE = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"
KINDS = ["live", "test", "admin", "gateway"]


def test_the_checksum_is_that_of_the_published_sample() -> None:
    assert secrets.checksum(SAMPLE) == "0mLq17"


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_secret_names_its_kind_and_carries_its_checksum(kind: str) -> None:
    secret = secrets.new_secret(kind)
    head, random30, check = secret[:-36], secret[-36:-6], secret[-6:]
    assert head == f"omx_{kind}_"
    assert random30.isalnum()
    assert random30.isascii()
    assert check == secrets.checksum(random30)
    assert secrets.secret_kind(secret) == kind


def test_no_two_secrets_are_alike() -> None:
    assert len({secrets.new_secret("live") for _ in range(1_000)}) == 1_000


def test_a_kind_that_does_not_exist_gets_no_secret() -> None:
    with pytest.raises(ValueError, match="root"):
        secrets.new_secret("root")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "omx_live_",
        f"omx_live_{SAMPLE}",
        f"omx_live_{SAMPLE}0mLq18",
        f"omx_live_{SAMPLE}0MLQ17",
        f"omx_live_{SAMPLE[:-1]}K0mLq17",
        f"omx_live_{SAMPLE}0mLq17\n",
        f" omx_live_{SAMPLE}0mLq17",
        f"omx_root_{SAMPLE}0mLq17",
        f"OMX_live_{SAMPLE}0mLq17",
        f"ghp_{SAMPLE}0mLq17",
        f"omx_live_{SAMPLE[:-1]}é0mLq17",
        f"omx_live_{SAMPLE[:-1]}٣0mLq17",
        f"omx_live_{SAMPLE}0mLq17" * 1_000,
        "\x00",
        "\ud800",
    ],
)
def test_what_could_not_have_been_issued_is_not_well_formed(secret: str) -> None:
    assert secrets.secret_kind(secret) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_is_well_formed_as_every_kind(kind: str) -> None:
    assert secrets.secret_kind(f"omx_{kind}_{SAMPLE}0mLq17") == kind


@pytest.mark.parametrize("position", range(len(SAMPLE)))
def test_any_one_wrong_character_is_noticed(position: int) -> None:
    wrong = "a" if SAMPLE[position] != "a" else "b"
    assert secrets.secret_kind(f"omx_live_{SAMPLE[:position]}{wrong}{SAMPLE[position + 1 :]}0mLq17") is None


def test_what_is_shown_of_a_secret_is_its_beginning_and_its_end() -> None:
    secret = f"omx_live_{SAMPLE}0mLq17"
    assert secrets.prefix_of(secret) == "omx_live_zQWB"
    assert secrets.last_four(secret) == "Lq17"
    assert secrets.sha256(secret) == hashlib.sha256(secret.encode()).digest()
