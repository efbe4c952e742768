"""A server certificate in a mounted Secret (cert-manager's layout), reloaded when it is renewed.

The folder holds ``tls.crt``, ``tls.key`` and mostly ``ca.crt``; the kubelet swaps all of them at
once. A pair that does not load (half written, key of another certificate) leaves the one before it
in use, and is told.
"""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from pathlib import Path

from cryptography import x509

from rightslice.errors import InputError

logger = logging.getLogger(__name__)


class ServingCertificate:
    """The certificate of a TLS server, and the context that shows it to new connections."""

    def __init__(self, folder: Path) -> None:
        """Load the pair in *folder*.

        Raises:
            InputError: when there is none, or it does not load.
        """
        self.folder = folder
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamp()
        self._load()

    @property
    def expires(self) -> dt.datetime:
        """When the certificate in use ends."""
        return self._expires

    def reload_if_changed(self) -> bool:
        """Load the pair again when the files changed; whether that was done."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            self._load()
        except InputError as error:
            logger.warning("%s; the certificate before it stays in use", error)
            return False
        logger.info("the certificate was renewed; it ends %s", self.expires.isoformat())
        return True

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        files = (self.folder / "tls.crt", self.folder / "tls.key")
        return tuple(
            (found.st_mtime_ns, found.st_ino)
            for found in (file.stat() for file in files if file.exists())
        )

    def _files(self) -> tuple[Path, Path]:
        """Return the pair's files behind the kubelet's link, which it may turn while we read."""
        certificate = (self.folder / "tls.crt").resolve()
        key = certificate.with_name("tls.key")
        return certificate, key if key.exists() else self.folder / "tls.key"

    def _load(self) -> None:
        certificate, key = self._files()
        try:
            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trial.load_cert_chain(certificate, key)
            expires = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
            self.context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.folder}: tls.crt and tls.key are no pair that loads: {error}"
            ) from None
        self._expires = expires
