"""A serving certificate that the webhook makes for itself: no cert-manager is needed.

The pair lives in a Secret of cert-manager's layout, which every replica reads. Whoever finds it
missing, or with less than a third of its life left, makes a new authority and pair; of two that do
so at once, the API server lets one win, and the other reads what was written. The webhook
configuration trusts the authorities of both pairs while replicas change over.
"""

from __future__ import annotations

import base64
import datetime as dt
import logging
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from cryptography import x509
from lightkube import ApiError, AsyncClient
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.core_v1 import Secret
from lightkube.types import PatchType

from rightslice.edge.cluster.authority import Authority, Subject

logger = logging.getLogger(__name__)
LIFE: Final = dt.timedelta(days=90)
FILES: Final = ("tls.crt", "tls.key", "ca.crt")


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

    async def refresh(self, client: AsyncClient) -> None:
        """Bring Secret, configuration and files up to date.

        Raises:
            ApiError: when the API server refuses; nothing of this replica's files is changed.
        """
        secret = await self._secret(client)
        data = _decoded(secret)
        if _needs_renewal(data.get("tls.crt")):
            data = await self._renewed(client, secret, data)
        await self._trust(client, data["ca.crt"])
        self._write(data)

    async def _secret(self, client: AsyncClient) -> Secret | None:
        try:
            return await client.get(Secret, self.secret, namespace=self.namespace)
        except ApiError as error:
            if error.status.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def _renewed(
        self, client: AsyncClient, found: Secret | None, before: dict[str, bytes]
    ) -> dict[str, bytes]:
        """Write a new pair and return it, or what another replica wrote at the same moment."""
        made = self._make(before.get("ca.crt", b""))
        secret = Secret(
            metadata=ObjectMeta(name=self.secret, namespace=self.namespace),
            type="kubernetes.io/tls",
            data={name: base64.b64encode(content).decode() for name, content in made.items()},
        )
        try:
            if found is None or found.metadata is None:
                await client.create(secret)
            else:
                found.data, found.type = secret.data, found.type
                await client.replace(found)
        except ApiError as error:
            if error.status.code != HTTPStatus.CONFLICT:
                raise
            return _decoded(await self._secret(client))
        logger.info("a new serving certificate was written to %s/%s", self.namespace, self.secret)
        return made

    def _make(self, trusted: bytes) -> dict[str, bytes]:
        authority = Authority("rightslice-webhook", self.life)
        host = f"{self.service}.{self.namespace}.svc"
        pair = authority.sign(Subject(common_name=host, names=(host, f"{host}.cluster.local")))
        newest_before = trusted.split(b"-----END CERTIFICATE-----")[0]
        kept = newest_before + b"-----END CERTIFICATE-----\n" if newest_before.strip() else b""
        return {
            "tls.crt": pair.certificate,
            "tls.key": pair.key,
            "ca.crt": authority.certificate + kept,
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


def _decoded(secret: Secret | None) -> dict[str, bytes]:
    data = {} if secret is None else secret.data or {}
    return {name: base64.b64decode(content) for name, content in data.items()}


def _needs_renewal(certificate: bytes | None) -> bool:
    """Whether there is none, or less than a third of its life is left."""
    if not certificate:
        return True
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return True
    life = found.not_valid_after_utc - found.not_valid_before_utc
    return found.not_valid_after_utc - dt.datetime.now(dt.UTC) < life / 3
