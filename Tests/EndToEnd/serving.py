"""An upstream for one test, on a free port of this machine."""
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps connections and says nothing of its own."""
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Serving(http.server.ThreadingHTTPServer):
    """Serves from the moment it is made until it is closed."""
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # who asked was killed, or the host has ended

    def close(self):
        self.shutdown()
        self.server_close()
