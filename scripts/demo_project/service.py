"""A small HTTP service: /livez answers ok, / greets with the words of service.conf."""

import configparser
import http.server
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok" if self.path == "/livez" else self.server.greeting.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    config = configparser.ConfigParser()
    config.read("service.conf")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.greeting = config["service"]["greeting"]
    with open("service.pid", "w") as file:
        file.write(str(os.getpid()))
    server.serve_forever()


if __name__ == "__main__":
    main()
