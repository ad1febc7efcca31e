/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A web server for tests, on a loopback address and free port, in clear or under TLS with a certificate
 * made here; a thread a connection. It answers each path with given bytes, and counts.
 */
#pragma once

#include <glib.h>

typedef struct TestPeer TestPeer;

typedef enum {
    TEST_PEER_CLEAR,
    TEST_PEER_TLS,         /* for localhost.test and track.test, by the tests' authority */
    TEST_PEER_EXPIRED,     /* the same, of yesterday */
    TEST_PEER_OTHER_NAME,  /* for other.test */
    TEST_PEER_SELF_SIGNED, /* by itself */
    TEST_PEER_STRANGER     /* by an authority that nobody trusts */
} TestPeerKind;

/* What is answered, and closed after unless keep-alive is said. Never an answer, but an open
 * connection, for a path with NULL. The path as it stands in the request. */
typedef struct {
    const char *path;
    const char *answer;
    gboolean keep_alive;
} TestPeerAnswer;

/* `answers` end with a NULL path; what is not there is a 404. Borrowed. */
TestPeer *test_peer_new (TestPeerKind kind, const TestPeerAnswer *answers);
void test_peer_free (TestPeer *peer);
guint test_peer_port (const TestPeer *peer);
guint test_peer_connections (TestPeer *peer);
guint test_peer_requests (TestPeer *peer);
/* Head and body of the last request. Owned. */
char *test_peer_last_request (TestPeer *peer);

/* Writes the tests' authority to a file that can be given as ca_file. Once a process. */
void test_peer_write_authority (const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestPeer, test_peer_free)
