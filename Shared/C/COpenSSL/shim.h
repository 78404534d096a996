// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>

// What a DTLS client needs of OpenSSL (libssl). Declared here, so that its macros do not meet BoringSSL's.
struct ssl_method_st;
struct ssl_ctx_st;
struct ssl_st;
struct bio_st;
typedef unsigned int (*openssl_psk_client_callback)(
    struct ssl_st *, const char *hint, char *identity, unsigned int maximum_identity, unsigned char *key,
    unsigned int maximum_key);
extern const struct ssl_method_st *DTLS_client_method(void);
extern struct ssl_ctx_st *SSL_CTX_new(const struct ssl_method_st *);
extern void SSL_CTX_set_psk_client_callback(struct ssl_ctx_st *, openssl_psk_client_callback);
extern int SSL_CTX_set_cipher_list(struct ssl_ctx_st *, const char *);
extern struct ssl_st *SSL_new(struct ssl_ctx_st *);
extern void SSL_free(struct ssl_st *);
extern void SSL_set_bio(struct ssl_st *, struct bio_st *, struct bio_st *);
extern void SSL_set_connect_state(struct ssl_st *);
extern int SSL_set_ex_data(struct ssl_st *, int, void *);
extern void *SSL_get_ex_data(const struct ssl_st *, int);
extern int SSL_do_handshake(struct ssl_st *);
extern int SSL_read(struct ssl_st *, void *, int);
extern int SSL_write(struct ssl_st *, const void *, int);
extern int SSL_shutdown(struct ssl_st *);
extern int SSL_get_error(const struct ssl_st *, int);
extern long SSL_ctrl(struct ssl_st *, int, long, void *);
extern void ERR_clear_error(void);
extern struct bio_st *BIO_new_dgram(int, int);
extern long BIO_ctrl(struct bio_st *, int, long, void *);
