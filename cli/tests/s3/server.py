"""moto's S3 on a free port of the loopback, with a bucket `lake`. Says the port, then does what each line on standard input
asks, and answers with a line; ends with the input.

    down       answers 503 to everything from now on
    denied     answers 403 to everything from now on
    deaf       does what is asked, and loses the answer of every second write
    up         answers again
    list X     keys that begin with X, as a JSON list
    delete X   deletes the object X
"""

import json
import sys
import threading

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


class Moody:
    def __init__(self):
        self.app = DomainDispatcherApplication(create_backend_app)
        self.mood = "up"
        self.writes = 0
        # moto looks whether an object is there, and then writes it: one at a time, no other comes in between.
        self.lock = threading.Lock()

    def __call__(self, environ, start):
        if "rhumb-test" in environ.get("HTTP_USER_AGENT", ""):
            return self.app(environ, start)
        if self.mood in ("down", "denied"):
            status, code = ("503 Slow Down", "SlowDown") if self.mood == "down" else ("403 Forbidden", "AccessDenied")
            return self.refuse(environ, start, status, code)
        started = []
        with self.lock:
            answer = list(self.app(environ, lambda *head: started.append(head)))
            if self.mood == "deaf" and environ["REQUEST_METHOD"] == "PUT":
                self.writes += 1
                if self.writes % 2 == 0:
                    environ["CONTENT_LENGTH"] = "0"
                    return self.refuse(environ, start, "500 Internal Server Error", "InternalError")
        start(*started[0])
        return answer

    def refuse(self, environ, start, status, code):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = f"<Error><Code>{code}</Code></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


moody = Moody()
server = make_server("127.0.0.1", 0, moody, threaded=True, request_handler=Silent)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    region_name="us-east-1",
    config=boto3.session.Config(user_agent_extra="rhumb-test"),
)
client.create_bucket(Bucket="lake")
print(port, flush=True)
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    answer = "ok"
    if word == "list":
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=rest)
        answer = json.dumps([found["Key"] for page in pages for found in page.get("Contents", [])])
    elif word == "delete":
        client.delete_object(Bucket="lake", Key=rest)
    else:
        moody.mood = word
    print(answer, flush=True)
