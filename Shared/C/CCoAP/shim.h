// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <linux/filter.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <coap3/coap.h>

// What libcoap does not tell of a DTLS or TLS session is asked of OpenSSL, whose session coap_session_get_tls() hands out. Declared here, so that its
// macros do not meet BoringSSL's.
struct ssl_st;
struct ssl_session_st;
extern int SSL_session_reused(const struct ssl_st *);
extern struct ssl_session_st *SSL_get_session(const struct ssl_st *);
extern size_t SSL_SESSION_get_master_key(const struct ssl_session_st *, unsigned char *, size_t);
