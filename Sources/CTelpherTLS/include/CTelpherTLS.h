// TLS 1.3 from OpenSSL's libssl, over bytes that the caller moves: see `TLSStream` in TelpherTLS.
//
// This header does not include OpenSSL's headers: they include pthread.h and others, and Swift
// would attribute the types of those to this module.
#ifndef CTELPHERTLS_H
#define CTELPHERTLS_H

#include <stddef.h>
#include <stdint.h>

/// What all connections of one kind share (SSL_CTX). It may be used on several threads at once.
typedef struct telpher_tls_context telpher_tls_context;
/// One connection's end. Use it on one thread at a time.
typedef struct telpher_tls telpher_tls;

enum {
  /// The length of a raw ed25519 public key, in bytes.
  TELPHER_TLS_KEY_LENGTH = 32,
  /// The most bytes in one record (RFC 8446, 5.1).
  TELPHER_TLS_RECORD_MAX = 16384,
  /// Room for a message, in bytes.
  TELPHER_TLS_MESSAGE_MAX = 512,
};

/// The result of a call.
typedef enum telpher_tls_status {
  /// It is done.
  TELPHER_TLS_DONE = 0,
  /// It needs more input.
  TELPHER_TLS_NEEDS_INPUT = 1,
  /// The peer has ended its side (close_notify).
  TELPHER_TLS_ENDED = 2,
  /// The connection has failed for good; telpher_tls_message says why.
  TELPHER_TLS_FAILED = 3,
} telpher_tls_status;

/// What a connection calls on its owner, from within the functions below.
typedef struct telpher_tls_owner {
  void *context;
  /// Sends one record. The bytes are valid only during the call.
  void (*write)(void *context, const void *bytes, size_t count);
  /// Returns 1 if the server's raw ed25519 public key is the right one, 0 to end the handshake.
  /// Clients only.
  int (*trust)(void *context, const uint8_t key[TELPHER_TLS_KEY_LENGTH]);
} telpher_tls_owner;

// MARK: Keys

/// Writes a new ed25519 private key as PEM (PKCS #8) to `pem`, and returns its length; 0 if it does
/// not fit or no key can be made.
size_t telpher_tls_make_key(char *pem, size_t capacity);
/// Writes the raw public key of an ed25519 private key in PEM; returns 0 if the text is no such key.
int telpher_tls_public_key(const char *pem, size_t count, uint8_t key[TELPHER_TLS_KEY_LENGTH]);

// MARK: Contexts

/// A context for servers whose ed25519 key is this PEM, in a certificate that is made here and
/// signed by the key itself. Returns null if that fails; `message` then says why.
telpher_tls_context *telpher_tls_server_context(const char *pem, size_t count,
                                                char message[TELPHER_TLS_MESSAGE_MAX]);
/// A context for clients. Returns null if that fails; `message` then says why.
telpher_tls_context *telpher_tls_client_context(char message[TELPHER_TLS_MESSAGE_MAX]);

/// A context for clients of servers with ordinary certificates, which one of these authorities (PEM)
/// has signed; count 0 for those that the system trusts. Each connection needs
/// telpher_tls_expect_host. Returns null if that fails; `message` then says why.
telpher_tls_context *telpher_tls_authority_client_context(const char *authorities, size_t count,
                                                          char message[TELPHER_TLS_MESSAGE_MAX]);

/// Makes a client show this chain of certificates, the own one first, with its private key, both
/// PEM. Returns 0 on failure.
int telpher_tls_use_certificate(telpher_tls_context *context, const char *chain,
                                size_t chain_count, const char *key, size_t key_count,
                                char message[TELPHER_TLS_MESSAGE_MAX]);
/// Makes a server ask clients for a certificate that one of these authorities (PEM) has signed, and
/// refuse one that is expired or for another purpose. With `lists` (certificate revocation lists in
/// PEM; null for no check), it and each authority up to the known one must not be revoked, and the
/// known one and each authority between need a current list. A client may show none unless
/// `is_required` is 1. Returns 0 on failure, also if `lists` holds no list.
int telpher_tls_ask_certificate(telpher_tls_context *context, const char *authorities,
                                size_t authorities_count, const char *lists, size_t lists_count,
                                int is_required, char message[TELPHER_TLS_MESSAGE_MAX]);
/// Frees a context. Its connections keep what they need of it.
void telpher_tls_context_free(telpher_tls_context *context);

// MARK: Connections

/// A new connection; null if memory runs out.
telpher_tls *telpher_tls_new(telpher_tls_context *context, int is_server, telpher_tls_owner owner);
/// Frees a connection. Not from within a call of its owner.
void telpher_tls_free(telpher_tls *tls);

/// Demands a certificate for this host, a name or a numeric address. Returns 0 on failure.
int telpher_tls_expect_host(telpher_tls *tls, const char *host);
/// Gives a connection the next bytes from the peer, after it has used all earlier ones. They must
/// stay valid until they are used, or the connection is freed.
void telpher_tls_give(telpher_tls *tls, const void *bytes, size_t count);
/// How many of the given bytes, and of the bytes decrypted from them, were not used yet.
size_t telpher_tls_unused(const telpher_tls *tls);

/// Goes on with the handshake. TELPHER_TLS_DONE: it is complete.
telpher_tls_status telpher_tls_handshake(telpher_tls *tls);
/// Decrypts bytes of one record at most into `bytes`, at most `capacity`, and stores their number in
/// `count`.
telpher_tls_status telpher_tls_read(telpher_tls *tls, void *bytes, size_t capacity, size_t *count);
/// Encrypts bytes as records of TELPHER_TLS_RECORD_MAX bytes, the last one with what is left, and sends
/// each.
telpher_tls_status telpher_tls_write(telpher_tls *tls, const void *bytes, size_t count);
/// Makes the next write change the key of this direction (KeyUpdate); returns 0 on failure.
int telpher_tls_update_key(telpher_tls *tls);
/// Ends this side (close_notify). Nothing may be written afterwards; reading goes on.
void telpher_tls_finish(telpher_tls *tls);
/// Why the connection has failed.
const char *telpher_tls_message(const telpher_tls *tls);
/// The number of the alert with which the peer has ended the connection (RFC 8446, 6.2); -1 if it has
/// sent none.
int telpher_tls_alert(const telpher_tls *tls);

// MARK: Facts, after the handshake, or after its failure

/// Writes keying material that both ends can derive and nothing else can (RFC 8446, 7.5); returns 0
/// on failure.
int telpher_tls_export(telpher_tls *tls, const char *label, size_t label_count, uint8_t *bytes,
                       size_t count);
/// The name of the cipher.
const char *telpher_tls_cipher(const telpher_tls *tls);
/// The name of the group in which the keys were agreed on.
const char *telpher_tls_group(const telpher_tls *tls);
/// Returns 1 if the peer has shown a certificate, else 0.
int telpher_tls_has_certificate(const telpher_tls *tls);
/// Writes the first URI of the peer's certificate, or else its first DNS name, as text with a NUL at
/// its end, and returns the length of the text. Returns 0 if there is none, if it has a NUL within,
/// or if it does not fit. A server also has the certificate of a client that it has refused.
size_t telpher_tls_peer_name(const telpher_tls *tls, char *text, size_t capacity);
/// Writes the subject of the same certificate, such as `CN=build`, as printable ASCII without a NUL at
/// its end, and returns the length. What does not fit is cut. Returns 0 if there is none.
size_t telpher_tls_peer_subject(const telpher_tls *tls, char *text, size_t capacity);

#endif
