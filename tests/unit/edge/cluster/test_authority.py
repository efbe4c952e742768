"""Certificates made on the spot serve the names they were asked for."""

from __future__ import annotations

import datetime as dt
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from rightslice.edge.cluster.authority import Authority, Subject


def test_a_pair_names_its_hosts_and_its_addresses() -> None:
    """DNS names and IP addresses stand apart in the subject's alternative names."""
    authority = Authority("test", dt.timedelta(days=1))
    signed = authority.sign(Subject(common_name="server", names=("a.b.svc", "127.0.0.1")))
    certificate = x509.load_pem_x509_certificate(signed.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.b.svc"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def test_a_pair_is_its_authoritys() -> None:
    """The authority's certificate verifies what it signs, and the key is the certificate's."""
    authority = Authority("test", dt.timedelta(days=1))
    signed = authority.sign(Subject(common_name="server", organization="a group"))
    certificate = x509.load_pem_x509_certificate(signed.certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
    key = serialization.load_pem_private_key(signed.key, password=None)
    assert key.public_key() == certificate.public_key()


def test_a_long_service_name_is_served() -> None:
    """A common name has at most 64 characters; the names that are served may be longer."""
    name = f"{'a' * 60}-webhook.{'b' * 60}.svc"
    signed = Authority("test", dt.timedelta(days=1)).sign(Subject(common_name="x", names=(name,)))
    certificate = x509.load_pem_x509_certificate(signed.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]
