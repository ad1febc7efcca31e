# tests: what checks the tree itself; the rooms' unit tests stand in the rooms' local.mk.
EXTRA_DIST += tests/runner

include tests/tree/local.mk
include tests/abi/local.mk
include tests/bench/local.mk
include tests/e2e/local.mk
include tests/sim/local.mk
include tests/api/local.mk
include tests/fuzz/local.mk
include tests/tsan/local.mk
include tests/modules/tracking/local.mk
include tests/packages/local.mk
