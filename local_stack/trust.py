"""A Java from PyPI trusts what the machine trusts, such as the certificate of a company's proxy."""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

# Java wants one; a list of public certificates has nothing to protect.
PASSWORD = "changeit"  # noqa: S105


def options(java_home: Path, cache: Path) -> str:
    """Java options that add the machine's certificate authorities; none for a Java that the machine maintains."""
    bundle = ssl.get_default_verify_paths().cafile
    if not java_home.is_relative_to(cache) or bundle is None:
        return ""
    store = cache / "machine-certificates.p12"
    with warnings.catch_warnings():
        # Some old authorities' serial numbers are negative; they are trusted all the same.
        warnings.simplefilter("ignore")
        certificates = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    named = [pkcs12.PKCS12Certificate(each, str(number).encode()) for number, each in enumerate(certificates)]
    store.write_bytes(pkcs12.serialize_java_truststore(named, BestAvailableEncryption(PASSWORD.encode())))
    return f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword={PASSWORD}"
