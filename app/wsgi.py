"""The application for any WSGI server, such as gunicorn behind mod_proxy or on a server of one's own:

gunicorn --workers 2 --threads 8 app.wsgi:application
"""

from app import datadir, logs
from app.bootstrap import create_app
from app.settings import load

datadir.keep_private()
_settings = load()
logs.configure(_settings.log_file)
application = create_app(_settings)
