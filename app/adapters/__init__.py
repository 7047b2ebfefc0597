"""One module per outside system. Foreign exceptions stop here: what leaves are the errors of `app.errors`."""
