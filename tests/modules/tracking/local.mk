# tests/modules/tracking: the mails that tracking is tested with, and the check of what it did to them.
# They are used by tests/e2e; here the check is checked, with a tracker in Python.
TESTS += tests/modules/tracking/test-check.py
EXTRA_DIST += tests/modules/tracking/test-check.py tests/modules/tracking/align.py \
    tests/modules/tracking/browser.py tests/modules/tracking/check.py tests/modules/tracking/corpus.py \
    tests/modules/tracking/mails.py tests/modules/tracking/markup.py tests/modules/tracking/mime.py \
    tests/modules/tracking/rewriter.py tests/modules/tracking/templates.py tests/modules/tracking/url.py \
    tests/modules/tracking/npm/package.json tests/modules/tracking/npm/render.js
