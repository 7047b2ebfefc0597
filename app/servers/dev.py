"""The development server: the application and the page on a loopback address, with a development token.

Not for production: it accepts a token that no auth API has seen, and so binds to loopback only.
`scripts/start_flask.sh` starts it in the background.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app import datadir, logs
from app.bootstrap import create_app
from app.errors import SettingsError
from app.settings import PROJECT_ROOT, load

if TYPE_CHECKING:
    from flask import Flask, Response

DEFAULT_PORT = 5000
# As .htaccess.template has them for a web host; a test compares the two.
PAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; manifest-src 'self'; connect-src 'self' @AUTH_ORIGIN@; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


def make_dev_app() -> Flask:
    """The application with the page at `/`; the token comes from AUTH_DEV_TOKEN. Raises SettingsError."""
    from flask import send_from_directory

    settings = load()
    logs.configure(settings.log_file)
    for warning in settings.warnings:
        # start_flask.sh repeats these lines.
        sys.stderr.write(f"! {warning}\n")
    sys.stderr.flush()
    app = create_app(settings, dev_token=settings.auth_dev_token)
    pages = PROJECT_ROOT / "public_html"

    address = urlsplit(settings.auth_api_url)
    auth_origin = f"{address.scheme}://{address.netloc}" if address.netloc else ""
    headers = {name: value.replace("@AUTH_ORIGIN@", auth_origin) for name, value in PAGE_HEADERS.items()}

    def page(name: str = "index.html") -> Response:
        return send_from_directory(pages, name)

    def protect(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    app.after_request(protect)
    app.add_url_rule("/", "page", page)
    app.add_url_rule("/<path:name>", "page file", page)
    return app


def main() -> int:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m app.servers.dev", description=about)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="on 127.0.0.1 (default %(default)s)")
    arguments = parser.parse_args()
    datadir.keep_private()
    try:
        app = make_dev_app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", arguments.port, app, threaded=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
