"""Programs that Barrio is measured beside."""

import os
import socket
import subprocess
import time
from pathlib import Path

_CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} ssl;
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_client_certificate {folder}/authority.pem;
        ssl_verify_client on;
        root {files};
    }}
}}
"""


class Nginx:
    """Serves a folder with mutual TLS 1.3 and one worker."""

    def __init__(self, folder: Path, files: Path, host: str = "127.0.0.1") -> None:
        folder.mkdir()
        self._folder = folder
        _certificates(folder, host)
        self._host = host
        with socket.socket() as free:
            free.bind((host, 0))
            self._port = free.getsockname()[1]
        config = folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, host=host, port=self._port, files=files))
        self._process = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection((host, self._port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("nginx does not answer")

    def curl(self, name: str, target: Path) -> list[str]:
        """The command that fetches a file of the folder."""
        f = self._folder
        keys = ["--cacert", f"{f}/authority.pem", "--cert", f"{f}/client.pem", "--key", f"{f}/client.key"]
        return ["curl", "-sS", "--fail", *keys, "-o", str(target), f"https://{self._host}:{self._port}/{name}"]

    def processor_seconds(self) -> float:
        """Of its worker."""
        total = 0
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def _certificates(folder: Path, host: str) -> None:
    """An authority, and a server's and a client's certificate by it; P-256."""

    def openssl(*words: str) -> None:
        subprocess.run(
            ["openssl", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        "req", "-x509", *curve, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=bench", "-days", "2"
    )
    (folder / "names").write_text(f"subjectAltName=IP:{host}")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key"),
            *("-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "names"),
        )
