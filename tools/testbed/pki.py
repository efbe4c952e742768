"""Certificates and keys of one throw-away control plane on loopback, as files."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rightslice.edge.cluster.authority import Authority, Subject, private_pem

LIFE = dt.timedelta(days=2)
NAMES = (
    "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "127.0.0.1", "10.0.0.1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key as PEM files."""

    certificate: Path
    key: Path


class Pki:
    """An authority in a folder: it signs what the programs show each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._authority = Authority("rightslice-testbed", LIFE)
        self.authority = folder / "ca.crt"
        self.authority.write_bytes(self._authority.certificate)

    def sign(self, file: str, common_name: str, organization: str | None = None) -> Pair:
        """Write a pair that serves loopback and identifies its holder to the API server."""
        subject = Subject(common_name=common_name, organization=organization, names=NAMES)
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        signed = self._authority.sign(subject)
        pair.certificate.write_bytes(signed.certificate)
        pair.key.write_bytes(signed.key)
        return pair

    def token_keys(self) -> None:
        """Write the keys that sign and check ServiceAccount tokens: sa.key and sa.pub."""
        key = ec.generate_private_key(ec.SECP256R1())
        (self.folder / "sa.key").write_bytes(private_pem(key))
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.folder / "sa.pub").write_bytes(public)
