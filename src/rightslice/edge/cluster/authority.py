"""A certificate authority made on the spot, and the pairs that it signs."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCK_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class PemPair:
    """A certificate and its private key, PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom a certificate names: a common name, an organization, and where it serves."""

    common_name: str
    organization: str | None = None
    names: Sequence[str] = ()
    """DNS names and IP addresses."""


class Authority:
    """Signs with a key that lives as long as this object."""

    def __init__(self, common_name: str, life: dt.timedelta) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(Subject(common_name=common_name))
        self._life = life
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key.public_key())
        signed = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        self.certificate = signed.public_bytes(serialization.Encoding.PEM)
        """The authority's own certificate, PEM."""

    def sign(self, subject: Subject) -> PemPair:
        """Return a pair that serves and identifies *subject*."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = self._builder(_name(subject), key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if subject.names:
            served = x509.SubjectAlternativeName([_served(one) for one in subject.names])
            builder = builder.add_extension(served, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return PemPair(signed.public_bytes(serialization.Encoding.PEM), private_pem(key))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + self._life)
        )


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return *key* as unencrypted PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(subject: Subject) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)]
    if subject.organization is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization))
    return x509.Name(parts)


def _served(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
