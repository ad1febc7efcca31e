# tests/packages: the daemon as packages and service managers have it.
TESTS += tests/packages/test-start.py tests/packages/test-modules.py tests/packages/test-elf.py
EXTRA_DIST += tests/packages/test-start.py tests/packages/test-modules.py tests/packages/test-elf.py tests/packages/elf.py
