"""An authority of a test's own, what it signs, and servers and a door that ask for its clients' certificates."""
import hashlib
import http.client
import os
import ssl
import subprocess

from serving import Handler, Serving


class Authority:
    """Certificates and keys for 127.0.0.1 and for clients, in a folder beside the host's."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate = self.path("authority.pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test authority",
                     "-keyout", self.path("authority.key"), "-out", self.certificate)
        self.server = self.signed("server", "subjectAltName=IP:127.0.0.1")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)

    def signed(self, name, extension="extendedKeyUsage=clientAuth"):
        """Returns the path of one file with certificate and key, PEM."""
        with open(self.path(name + ".ext"), "w") as f:
            f.write(extension + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", name + ".key", "-out", name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2",
                     "-extfile", name + ".ext", "-out", name + ".crt")
        whole = self.path(name + ".pem")
        with open(whole, "w") as out:
            for end in (".crt", ".key"):
                with open(self.path(name + end)) as f:
                    out.write(f.read())
        return whole

    def context(self, verify, version=None):
        """What a server needs that trusts this authority's clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        context.load_verify_locations(self.certificate)
        context.verify_mode = verify
        if version:
            context.maximum_version = version
        return context


def fingerprint(path):
    with open(path) as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read().split("-----BEGIN EC PRIVATE KEY")[0].split("-----BEGIN PRIVATE KEY")[0])).hexdigest()


class TLSFront(Serving):
    """Ends TLS on this machine and leads what comes to a plain address, as `change` has it for the client's certificate (DER, or None)."""

    def __init__(self, context, address, change):
        self.context = context
        self.seen = []
        self.connections = 0

        class Leading(Handler):
            def lead(handler):
                certificate = handler.connection.getpeercert(binary_form=True)
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                headers = change({k: v for k, v in handler.headers.items() if k.lower() not in ("host", "connection", "content-length")}, certificate)
                self.seen.append((handler.command, handler.path, certificate))
                upstream = http.client.HTTPConnection(address, timeout=60)
                upstream.request(handler.command, handler.path, body or None, headers)
                answer = upstream.getresponse()
                given = {k: v for k, v in answer.getheaders() if k.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")}
                handler.answer(answer.status, answer.read(), **given)
                upstream.close()

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = lead
        super().__init__(Leading)
        self.url = f"https://127.0.0.1:{self.server_port}"

    def get_request(self):
        client, where = super().get_request()
        self.connections += 1
        # The handshake is the connection's own thread's, with its first read.
        return self.context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), where
