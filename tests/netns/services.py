# SPDX-License-Identifier: MIT
"""What a server in the lab offers, on IPv4 and IPv6: a web server and a UDP echo.

    services.py NAME [HTTP-PORT [UDP-PORT]]

GET / answers "NAME sees CLIENT-ADDRESS"; GET /bytes/N answers N bytes of the pattern;
PUT answers how many bytes came and their SHA-256. UDP: "NAME sees ADDRESS PORT: " and what came."""

import hashlib
import http.server
import socket
import socketserver
import sys
import threading

from pattern import pattern


def plain(address):
    return address[7:] if address.startswith("::ffff:") else address


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/bytes/"):
            return self.answer(pattern(int(self.path[7:])))
        self.answer(f"{sys.argv[1]} sees {plain(self.client_address[0])}\n".encode())

    def do_PUT(self):
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        total = left
        while left:
            part = self.rfile.read(min(left, 65536))
            if not part:
                return
            digest.update(part)
            left -= len(part)
        self.answer(f"{total} {digest.hexdigest()}\n".encode())

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 64

    def server_bind(self):
        """Without HTTPServer's: that asks the system's name servers for this machine's own name."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)


def echo(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    while True:
        data, sender = server.recvfrom(65536)
        head = f"{sys.argv[1]} sees {plain(sender[0])} {sender[1]}: ".encode()
        server.sendto(head + data, sender)


if __name__ == "__main__":
    ports = [int(port) for port in sys.argv[2:]] + [80, 7][len(sys.argv) - 2:]
    threading.Thread(target=echo, args=(ports[1],), daemon=True).start()
    server = Server(("::", ports[0]), Handler)
    print("ready", flush=True)
    server.serve_forever()
