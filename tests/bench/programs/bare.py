"""The floor: a CGI program in Python that imports nothing and answers every request alike."""

import os

body = b'{"status":"ok"}'
os.write(1, b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
