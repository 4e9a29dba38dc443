// What the files of this target share.
#ifndef TELPHER_TLS_INTERNAL_H
#define TELPHER_TLS_INTERNAL_H

#include "CTelpherTLS.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

struct telpher_tls_context {
  SSL_CTX *context;
};

struct telpher_tls {
  SSL *ssl;
  telpher_tls_owner owner;
  // The bytes from the peer that the library has not taken yet.
  const uint8_t *input;
  size_t input_count;
  // Plain bytes that have come from the peer, and its changes of its key.
  uint64_t received;
  uint64_t key_updates;
  int is_flooded;
  // Null until the connection fails.
  char *message;
  // The certificate of the peer if it was refused, else null.
  X509 *refused;
  // The number of the alert with which the peer has ended the connection; -1 if there was none.
  int alert;
};

/// Reads a private key in PEM without asking for a passphrase; null if it is none.
EVP_PKEY *telpher_read_key(const char *pem, size_t count);
/// A certificate for `key`, signed by it; null on failure.
X509 *telpher_self_signed(EVP_PKEY *key);
/// Writes why the library's last call on this thread has failed.
void telpher_describe_failure(char message[TELPHER_TLS_MESSAGE_MAX], const char *fallback);

#endif
