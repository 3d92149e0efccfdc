"""The home's own certificate authority, and the certificates that it signs.

Loaded by `wherry.server.certificates` when one has to be made, for the library behind it takes as long to load as the
rest of a server.  Invariants: a key never leaves the home and lies in one file with its certificate, so the two cannot
come apart; the authority outlives every certificate that it signs, and is kept as long as it can do that.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wherry.server import private

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397  # clients refuse longer ones
_PEM = serialization.Encoding.PEM


class _Authority(NamedTuple):
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def issue(folder: str, authority_file: str, server_file: str, names: Sequence[str], now: float) -> float:
    """Writes a certificate for `names` to `server_file`, with its key; returns until when it is valid.

    The authority's key lies in `folder`, its certificate for clients in `authority_file`.
    """
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    authority = _authority(os.path.join(folder, "ca-key.pem"), authority_file, moment)
    key = ec.generate_private_key(ec.SECP256R1())
    until = moment + datetime.timedelta(days=SERVER_DAYS)
    usage = _usage(digital_signature=True)
    certificate = (
        _builder(names[0], key, moment, until)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.certificate.public_key()),  # pyright: ignore[reportArgumentType]
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    private.write(server_file, _key_bytes(key) + certificate.public_bytes(_PEM))
    return until.timestamp()


def _authority(path: str, public: str, moment: datetime.datetime) -> _Authority:
    """The authority in the file, or a new one when there is none, it is damaged, or it would end too early."""
    found = _load(path)
    needed = moment + datetime.timedelta(days=SERVER_DAYS)
    if (
        found is None
        or not found.certificate.not_valid_before_utc <= moment
        or found.certificate.not_valid_after_utc < needed
    ):
        found = _new_authority(moment)
        private.write(path, _key_bytes(found.key) + found.certificate.public_bytes(_PEM))
    private.write(public, found.certificate.public_bytes(_PEM), 0o644)
    return found


def _load(path: str) -> _Authority | None:
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        data = file.read()
        key = serialization.load_pem_private_key(data, None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return _Authority(key, x509.load_pem_x509_certificate(data))
    return None


def _new_authority(moment: datetime.datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"wherry {moment:%Y-%m-%d} {os.urandom(4).hex()}"
    certificate = (
        _builder(name, key, moment, moment + datetime.timedelta(days=AUTHORITY_DAYS))
        .issuer_name(_named(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Authority(key, certificate)


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, moment: datetime.datetime, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(hours=1))  # for clients whose clock is a little behind
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
