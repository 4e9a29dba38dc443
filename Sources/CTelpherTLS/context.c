#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

void telpher_describe_failure(char message[TELPHER_TLS_MESSAGE_MAX], const char *fallback) {
  unsigned long error = ERR_peek_last_error();
  const char *reason = error ? ERR_reason_error_string(error) : NULL;
  if (error && ERR_SYSTEM_ERROR(error)) reason = strerror(ERR_GET_REASON(error));
  snprintf(message, TELPHER_TLS_MESSAGE_MAX, "%s", reason ? reason : fallback);
  ERR_clear_error();
}

// Whether the processor has instructions for AES-GCM. Without them ChaCha20 is faster.
static int has_aes(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
  // HWCAP_AES and HWCAP_PMULL of Linux.
  return (getauxval(AT_HWCAP) & (1 << 3 | 1 << 4)) == (1 << 3 | 1 << 4);
#else
  return 0;
#endif
}

static telpher_tls_context *make(const SSL_METHOD *method, char message[TELPHER_TLS_MESSAGE_MAX]) {
  ERR_clear_error();
  telpher_tls_context *context = calloc(1, sizeof *context);
  if (context) context->context = SSL_CTX_new(method);
  SSL_CTX *ctx = context ? context->context : NULL;
  const char *suites =
      has_aes() ? "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
                : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
  if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, suites) != 1 ||
      // OpenSSL 3.5 and later have the first.
      (SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519") != 1 &&
       SSL_CTX_set1_groups_list(ctx, "X25519") != 1)) {
    telpher_describe_failure(message, "no memory");
    telpher_tls_context_free(context);
    return NULL;
  }
  ERR_clear_error();
  // The server chooses ChaCha20 for a client that has put it first.
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
  return context;
}

telpher_tls_context *telpher_tls_server_context(const char *pem, size_t count,
                                                char message[TELPHER_TLS_MESSAGE_MAX]) {
  telpher_tls_context *context = make(TLS_server_method(), message);
  if (!context) return NULL;
  EVP_PKEY *key = telpher_read_key(pem, count);
  X509 *certificate = key ? telpher_self_signed(key) : NULL;
  int is_set = certificate && SSL_CTX_use_certificate(context->context, certificate) == 1 &&
               SSL_CTX_use_PrivateKey(context->context, key) == 1;
  if (!is_set) telpher_describe_failure(message, "no certificate can be made for the key");
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (is_set) return context;
  telpher_tls_context_free(context);
  return NULL;
}

// Asks the owner about the server's key. There are no authorities, dates and names to check.
static int check_server(X509_STORE_CTX *store, void *unused) {
  (void)unused;
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  telpher_tls *tls = SSL_get_app_data(ssl);
  X509 *certificate = X509_STORE_CTX_get0_cert(store);
  EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
  uint8_t raw[TELPHER_TLS_KEY_LENGTH];
  size_t length = sizeof raw;
  if (key && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
      EVP_PKEY_get_raw_public_key(key, raw, &length) == 1 && length == sizeof raw &&
      tls->owner.trust(tls->owner.context, raw) == 1) {
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

telpher_tls_context *telpher_tls_client_context(char message[TELPHER_TLS_MESSAGE_MAX]) {
  telpher_tls_context *context = make(TLS_client_method(), message);
  if (!context) return NULL;
  SSL_CTX_set_verify(context->context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_cert_verify_callback(context->context, check_server, NULL);
  return context;
}

telpher_tls_context *telpher_tls_authority_client_context(const char *authorities, size_t count,
                                                          char message[TELPHER_TLS_MESSAGE_MAX]) {
  telpher_tls_context *context = make(TLS_client_method(), message);
  if (!context) return NULL;
  SSL_CTX *ctx = context->context;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
  // Servers of others may have keys on other curves.
  int found = SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1;
  if (!found) telpher_describe_failure(message, "no groups");
  if (found && count == 0) {
    found = SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (!found) telpher_describe_failure(message, "this system has no authorities");
  } else if (found) {
    found = 0;
    BIO *memory = BIO_new_mem_buf(authorities, (int)count);
    X509 *authority;
    while (memory && (authority = PEM_read_bio_X509(memory, NULL, NULL, NULL))) {
      found += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority) == 1;
      X509_free(authority);
    }
    BIO_free(memory);
    if (!found) snprintf(message, TELPHER_TLS_MESSAGE_MAX, "it holds no certificate in PEM");
  }
  ERR_clear_error();
  if (found) return context;
  telpher_tls_context_free(context);
  return NULL;
}

int telpher_tls_use_certificate(telpher_tls_context *context, const char *chain,
                                size_t chain_count, const char *key_text, size_t key_count,
                                char message[TELPHER_TLS_MESSAGE_MAX]) {
  ERR_clear_error();
  SSL_CTX *ctx = context->context;
  BIO *memory = BIO_new_mem_buf(chain, (int)chain_count);
  X509 *own = memory ? PEM_read_bio_X509(memory, NULL, NULL, NULL) : NULL;
  int is_set = own && SSL_CTX_use_certificate(ctx, own) == 1;
  if (!own) snprintf(message, TELPHER_TLS_MESSAGE_MAX, "it holds no certificate in PEM");
  X509 *next;
  while (is_set && (next = PEM_read_bio_X509(memory, NULL, NULL, NULL))) {
    if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
      X509_free(next);
      is_set = 0;
    }
  }
  ERR_clear_error();
  EVP_PKEY *key = is_set ? telpher_read_key(key_text, key_count) : NULL;
  if (is_set && !key) {
    snprintf(message, TELPHER_TLS_MESSAGE_MAX, "the key is no private key in PEM without a passphrase");
    is_set = 0;
  } else if (is_set && SSL_CTX_use_PrivateKey(ctx, key) != 1) {
    snprintf(message, TELPHER_TLS_MESSAGE_MAX, "the private key is not that of the certificate");
    is_set = 0;
  }
  EVP_PKEY_free(key);
  X509_free(own);
  BIO_free(memory);
  ERR_clear_error();
  return is_set;
}

// Keeps the certificate of a client that is refused: the library forgets it.
static int note_refused(int is_good, X509_STORE_CTX *store) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  telpher_tls *tls = SSL_get_app_data(ssl);
  X509 *certificate = X509_STORE_CTX_get0_cert(store);
  if (!is_good && !tls->refused && certificate && X509_up_ref(certificate) == 1) {
    tls->refused = certificate;
  }
  return is_good;
}

int telpher_tls_ask_certificate(telpher_tls_context *context, const char *authorities,
                                size_t authorities_count, const char *lists, size_t lists_count,
                                int is_required, char message[TELPHER_TLS_MESSAGE_MAX]) {
  ERR_clear_error();
  SSL_CTX *ctx = context->context;
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  int count = 0, is_set = 1;
  BIO *memory = BIO_new_mem_buf(authorities, (int)authorities_count);
  X509 *authority;
  while (memory && (authority = PEM_read_bio_X509(memory, NULL, NULL, NULL))) {
    is_set = is_set && X509_STORE_add_cert(store, authority) == 1 &&
             SSL_CTX_add_client_CA(ctx, authority) == 1;
    X509_free(authority);
    count += 1;
  }
  BIO_free(memory);
  if (count == 0) {
    snprintf(message, TELPHER_TLS_MESSAGE_MAX, "it holds no certificate in PEM");
    is_set = 0;
  }
  if (is_set && lists) {
    count = 0;
    memory = BIO_new_mem_buf(lists, (int)lists_count);
    X509_CRL *list;
    while (memory && (list = PEM_read_bio_X509_CRL(memory, NULL, NULL, NULL))) {
      is_set = is_set && X509_STORE_add_crl(store, list) == 1;
      X509_CRL_free(list);
      count += 1;
    }
    BIO_free(memory);
    if (count == 0) {
      snprintf(message, TELPHER_TLS_MESSAGE_MAX, "it holds no revocation list in PEM");
      is_set = 0;
    }
    // Of every certificate in the chain: an authority between the client and the known one may be revoked.
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  ERR_clear_error();
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     note_refused);
  return is_set;
}

void telpher_tls_context_free(telpher_tls_context *context) {
  if (!context) return;
  SSL_CTX_free(context->context);
  free(context);
}
