"""A mounted certificate: reloaded when renewed, kept when what comes is no pair."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from rightslice.edge.cluster.authority import Authority, PemPair, Subject
from rightslice.edge.cluster.certificate import ServingCertificate
from rightslice.errors import InputError

NAME = "rightslice-webhook.rightslice.svc"


def pair(days: int = 1) -> PemPair:
    """Return a fresh pair, of an authority of its own."""
    authority = Authority("test", dt.timedelta(days=days))
    return authority.sign(Subject(common_name="rightslice-webhook", names=(NAME,)))


def write(folder: Path, given: PemPair) -> None:
    """Write a pair as two files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tls.crt").write_bytes(given.certificate)
    (folder / "tls.key").write_bytes(given.key)


async def shown(serving: ServingCertificate) -> bytes:
    """Return the certificate that a new connection is shown, PEM."""
    server = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=serving.context
    )
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anyone)
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    return ssl.DER_cert_to_PEM_cert(found).encode()


def test_a_folder_without_a_pair_is_bad_input(tmp_path: Path) -> None:
    """Without a certificate nothing is served, and the message names the folder."""
    with pytest.raises(InputError, match=r"tls\.crt and tls\.key are no pair"):
        ServingCertificate(tmp_path)


async def test_a_new_pair_is_shown_to_new_connections(tmp_path: Path) -> None:
    """After a renewal the next connection sees the new certificate; unchanged files do nothing."""
    first, second = pair(days=1), pair(days=9)
    write(tmp_path, first)
    serving = ServingCertificate(tmp_path)
    assert await shown(serving) == first.certificate
    assert not serving.reload_if_changed()
    write(tmp_path, second)
    assert serving.reload_if_changed()
    assert await shown(serving) == second.certificate
    ends = x509.load_pem_x509_certificate(second.certificate).not_valid_after_utc
    assert serving.expires == ends


async def test_a_half_written_pair_leaves_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate that is cut off is told and not used; the whole one that follows is."""
    first, second = pair(), pair()
    write(tmp_path, first)
    serving = ServingCertificate(tmp_path)
    (tmp_path / "tls.crt").write_bytes(second.certificate[:200])
    with caplog.at_level(logging.WARNING):
        assert not serving.reload_if_changed()
    assert "the certificate before it stays in use" in caplog.text
    assert await shown(serving) == first.certificate
    write(tmp_path, second)
    assert serving.reload_if_changed()
    assert await shown(serving) == second.certificate


@pytest.mark.parametrize("broken", ["key of another", "no key", "empty"])
async def test_a_wrong_key_leaves_the_one_before(tmp_path: Path, broken: str) -> None:
    """A key that is not the certificate's, is missing or empty changes nothing."""
    first, second = pair(), pair()
    write(tmp_path, first)
    serving = ServingCertificate(tmp_path)
    (tmp_path / "tls.crt").write_bytes(second.certificate)
    if broken == "no key":
        (tmp_path / "tls.key").unlink()
    if broken == "empty":
        (tmp_path / "tls.key").write_bytes(b"")
    assert not serving.reload_if_changed()
    assert await shown(serving) == first.certificate


async def test_the_kubelets_turn_of_the_link_is_a_renewal(tmp_path: Path) -> None:
    """A mounted Secret is a link to a folder that the kubelet swaps: both files change at once."""
    first, second = pair(), pair()
    write(tmp_path / "..2026_1", first)
    write(tmp_path / "..2026_2", second)
    (tmp_path / "..data").symlink_to("..2026_1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    serving = ServingCertificate(tmp_path)
    (tmp_path / "..data_tmp").symlink_to("..2026_2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert serving.reload_if_changed()
    assert await shown(serving) == second.certificate
