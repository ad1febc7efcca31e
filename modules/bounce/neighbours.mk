# modules/bounce/neighbours.mk: what other servers really answer and report, and how it was provoked
# (tests/modules/bounce/neighbours).
TESTS += tests/modules/bounce/test-neighbours.py
EXTRA_DIST += tests/modules/bounce/neighbours tests/modules/bounce/provoke tests/modules/bounce/test-neighbours.py \
    tests/modules/bounce/provoking/causes.py tests/modules/bounce/provoking/collect.py \
    tests/modules/bounce/provoking/dialogue.py tests/modules/bounce/provoking/exim.py \
    tests/modules/bounce/provoking/haraka.py tests/modules/bounce/provoking/letters.py \
    tests/modules/bounce/provoking/opensmtpd.py tests/modules/bounce/provoking/postfix.py \
    tests/modules/bounce/provoking/sendmail.py tests/modules/bounce/provoking/world.py
