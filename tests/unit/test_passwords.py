from __future__ import annotations

import pytest

from dropless import passwords
from dropless.errors import DroplessError


def test_passwords_are_made_once_and_only_their_owner_can_read_them(tmp_path):
    folder = tmp_path / "secrets"
    passwords.ensure(folder)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    passwords.ensure(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert set(first) == set(passwords.NAMES)
    assert len(set(first.values())) == len(first)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_missing_password_is_one_sentence(tmp_path):
    with pytest.raises(DroplessError, match=r"no password 'minio_root'.*dropless up"):
        passwords.read(tmp_path, "minio_root")


def test_what_a_system_says_is_told_without_passwords(tmp_path):
    passwords.write(tmp_path / "postgresql_admin", "hush-hush")
    passwords.write(tmp_path / "empty", "")
    assert passwords.mask(tmp_path, "password=hush-hush refused") == "password=*** refused"
