"""A serving certificate that the webhook makes for itself: no cert-manager is needed.

The pair lives in a Secret that the Helm chart makes empty, in cert-manager's layout, and every
replica reads it. Whoever finds it without a usable pair, or with less than a third of its life
left, makes a new authority and pair; of two that do so at once, the API server lets one win, and
the other reads what was written. The webhook configuration trusts the authorities of both pairs
while replicas change over, and a replica shows a new pair only when API servers have had time to
hear of it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
import logging
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lightkube import ApiError, AsyncClient
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.core_v1 import Secret
from lightkube.types import PatchType

from rightslice.edge.cluster.authority import Authority, Subject
from rightslice.errors import UnavailableError

logger = logging.getLogger(__name__)
LIFE: Final = dt.timedelta(days=90)
FILES: Final = ("tls.crt", "tls.key", "ca.crt")
SETTLE_SECONDS: Final = 5.0
"""From trusting a new authority until its pair is shown: each API server watches for itself."""


@dataclass(frozen=True, kw_only=True)
class SelfManaged:
    """Where the pair is kept, whom it names, and who has to trust it."""

    namespace: str
    secret: str
    service: str
    configuration: str
    """Name of the MutatingWebhookConfiguration."""
    folder: Path
    """Where this replica's copy of the files lies."""
    life: dt.timedelta = LIFE
    settle_seconds: float = SETTLE_SECONDS

    @property
    def host(self) -> str:
        """The name by which the API server calls."""
        return f"{self.service}.{self.namespace}.svc"

    async def refresh(self, client: AsyncClient) -> None:
        """Bring Secret, configuration and files up to date.

        Raises:
            ApiError: when the API server refuses; nothing of this replica's files is changed.
            UnavailableError: when the Secret is missing; the same.
        """
        secret = await self._secret(client)
        data = _decoded(secret)
        if not self._lasts(data):
            data = await self._renewed(client, secret, data)
        await self._trust(client, data["ca.crt"])
        if self._is_another(data):
            await asyncio.sleep(self.settle_seconds)
        self._write(data)

    async def _secret(self, client: AsyncClient) -> Secret:
        try:
            return await client.get(Secret, self.secret, namespace=self.namespace)
        except ApiError as error:
            if error.status.code == HTTPStatus.NOT_FOUND:
                raise UnavailableError(
                    f"Secret {self.namespace}/{self.secret} is missing: helm upgrade makes it again"
                ) from None
            raise

    async def _renewed(
        self, client: AsyncClient, found: Secret, before: dict[str, bytes]
    ) -> dict[str, bytes]:
        """Write a new pair and return it, or what another replica wrote at the same moment."""
        made = self._make(before.get("ca.crt", b""))
        found.data = {name: base64.b64encode(content).decode() for name, content in made.items()}
        try:
            await client.replace(found)
        except ApiError as error:
            if error.status.code != HTTPStatus.CONFLICT:
                raise
            return self._checked(_decoded(await self._secret(client)))
        logger.info("a new serving certificate was written to %s/%s", self.namespace, self.secret)
        return made

    def _checked(self, data: dict[str, bytes]) -> dict[str, bytes]:
        if not self._lasts(data):
            name = f"{self.namespace}/{self.secret}"
            raise UnavailableError(f"Secret {name} was changed by someone else: no pair in it")
        return data

    def _lasts(self, data: dict[str, bytes]) -> bool:
        """Whether the pair in *data* is ours, whole, and has more than a third of its life left."""
        try:
            certificate = x509.load_pem_x509_certificate(data["tls.crt"])
            key = serialization.load_pem_private_key(data["tls.key"], password=None)
            x509.load_pem_x509_certificates(data["ca.crt"])
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (KeyError, ValueError, TypeError, x509.ExtensionNotFound):
            return False
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
        same_key = key.public_key() == certificate.public_key()
        served = names.value.get_values_for_type(x509.DNSName)
        return same_key and self.host in served and left >= life / 3

    def _make(self, trusted: bytes) -> dict[str, bytes]:
        authority = Authority("rightslice-webhook-authority", self.life)
        names = (self.host, f"{self.host}.cluster.local")
        pair = authority.sign(Subject(common_name="rightslice-webhook", names=names))
        return {
            "tls.crt": pair.certificate,
            "tls.key": pair.key,
            "ca.crt": authority.certificate + _first(trusted),
        }

    async def _trust(self, client: AsyncClient, authorities: bytes) -> None:
        bundle = base64.b64encode(authorities).decode()
        found = await client.get(MutatingWebhookConfiguration, self.configuration)
        stale = [one for one in found.webhooks or () if one.clientConfig.caBundle != bundle]
        if not stale:
            return
        webhooks = [
            {"name": one.name, "clientConfig": {"caBundle": bundle}} for one in stale
        ]  # merged by name, as strategic patches are
        await client.patch(
            MutatingWebhookConfiguration,
            self.configuration,
            {"webhooks": webhooks},
            patch_type=PatchType.STRATEGIC,
        )

    def _is_another(self, data: dict[str, bytes]) -> bool:
        """Whether a pair is in use here that is not the one in *data*."""
        file = self.folder / "tls.crt"
        return file.exists() and file.read_bytes() != data["tls.crt"]

    def _write(self, data: dict[str, bytes]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if all(
            (self.folder / name).exists() and (self.folder / name).read_bytes() == data[name]
            for name in FILES
        ):
            return
        for name in FILES:
            part = self.folder / f".{name}.part"
            part.touch(mode=0o600)
            part.write_bytes(data[name])
            part.replace(self.folder / name)


def _decoded(secret: Secret) -> dict[str, bytes]:
    try:
        return {name: base64.b64decode(text) for name, text in (secret.data or {}).items()}
    except binascii.Error:
        return {}


def _first(authorities: bytes) -> bytes:
    """Return the first certificate of a bundle, or nothing where there is none that loads."""
    try:
        found = x509.load_pem_x509_certificates(authorities)
    except ValueError:
        return b""
    return found[0].public_bytes(serialization.Encoding.PEM)
