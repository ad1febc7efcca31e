/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libcurl's multi handle on our loop: descriptors become RelaisIo, its timer a RelaisTimer. Loop thread
 * only. libcurl is never called back into from inside its callbacks: `func` comes once it returned.
 */
#pragma once

#include "loop/loop-private.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

typedef struct RelaisCurl RelaisCurl;

/* An easy handle is done and out of the multi handle; `data` is its CURLOPT_PRIVATE. */
typedef void (*RelaisCurlFunc) (gpointer data, CURLcode code);

/* `ca_file` NULL: the authorities that libcurl was built to trust. Reads them, so it may block. */
RelaisCurl *
relais_curl_new (RelaisLoop *loop, const char *ca_file, RelaisCurlFunc func, GError **error);
/* All easy handles must have been removed. Closes the connections that are kept. Accepts NULL. */
void relais_curl_free (RelaisCurl *curl);

/* Begins a transfer; false if libcurl refuses it. */
bool relais_curl_add (RelaisCurl *curl, CURL *easy);
/* Ends it without a word; fine if it is done. */
void relais_curl_remove (RelaisCurl *curl, CURL *easy);
/* The authorities, for CURLOPT_SSL_CTX_FUNCTION. */
X509_STORE *relais_curl_store (const RelaisCurl *curl);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisCurl, relais_curl_free)
