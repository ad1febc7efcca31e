# tests/tree: what checks the tree itself.
TESTS += tests/tree/test-rooms.py tests/tree/test-words.py tests/tree/test-po.py
EXTRA_DIST += tests/tree/test-rooms.py tests/tree/test-words.py tests/tree/test-po.py tests/tree/fixture
TESTS += tests/tree/test-modules-alone.py
EXTRA_DIST += tests/tree/test-modules-alone.py tests/tree/shared.py
TESTS += tests/tree/test-clocks.py
EXTRA_DIST += tests/tree/test-clocks.py
