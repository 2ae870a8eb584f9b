"""Certificates made by openssl, for any span of time, of an authority that only the tests trust."""

import datetime as dt
import subprocess
from pathlib import Path

CONFIG = """
[ca]
default_ca = test
[test]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = optional
"""
HOUR_S = 3600.0
DAY_S = 86_400.0


class Authority:
    """A certificate authority in a folder. `ca` is its own certificate, `key` the key of everything."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key, self.ca = folder, folder / "key.pem", folder / "ca.pem"
        (folder / "index.txt").touch()
        (folder / "ca.cnf").write_text(CONFIG.format(folder=folder))
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(self.key))
        self._openssl(
            "req", "-x509", "-key", str(self.key), "-subj", "/CN=Test Root", "-days", "3650", "-out", str(self.ca)
        )  # fmt: skip

    def issue(
        self, name: str, *, alternative: str = "DNS:localhost,IP:127.0.0.1", from_s: float = -DAY_S,
        until_s: float = 90 * DAY_S, by: Path | None = None,
    ) -> Path:  # fmt: skip
        """A certificate valid from and until these seconds from now; signed by the authority, or by another."""
        request, made = self.folder / f"{name}.csr", self.folder / f"{name}.pem"
        extensions = ("-addext", f"subjectAltName={alternative}") if alternative else ()
        self._openssl(
            "req", "-new", "-key", str(self.key), "-subj", f"/CN={name}", *extensions, "-out", str(request)
        )
        issuer = ("-selfsign",) if by is None else ("-cert", str(by))
        self._openssl(
            "ca", "-batch", "-notext", "-config", str(self.folder / "ca.cnf"), "-keyfile", str(self.key), *issuer,
            "-startdate", _date(from_s), "-enddate", _date(until_s), "-in", str(request), "-out", str(made),
        )  # fmt: skip
        return made

    def _openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder, timeout=30)


def _date(from_now_s: float) -> str:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=from_now_s)
    return moment.strftime("%Y%m%d%H%M%SZ")
