// Digests, message authentication codes and constant-time comparison from OpenSSL's libcrypto.
//
// This header does not include OpenSSL's headers: they include pthread.h and others, and Swift
// would attribute the types of those to this module.
#ifndef CTELPHERCRYPTO_H
#define CTELPHERCRYPTO_H

#include <stddef.h>
#include <stdint.h>

/// The state of one digest (EVP_DigestInit(3)).
typedef struct telpher_digest telpher_digest;

/// The maximum length of a digest, in bytes.
enum { TELPHER_DIGEST_MAX = 64 };

/// Returns an empty state for the algorithm "SHA256" or "MD5"; null if the library does not offer
/// it or memory runs out. Free it with telpher_digest_free.
telpher_digest *telpher_digest_new(const char *algorithm);
/// Returns an independent copy of a state; null if memory runs out.
telpher_digest *telpher_digest_copy(const telpher_digest *digest);
/// Adds the next bytes; returns 1 on success, 0 otherwise.
int telpher_digest_update(telpher_digest *digest, const void *bytes, size_t count);
/// Writes the digest to `bytes`, which has room for TELPHER_DIGEST_MAX bytes; returns the digest's
/// length, or 0 on failure. The state can then only be freed.
size_t telpher_digest_finish(telpher_digest *digest, uint8_t *bytes);
/// Frees a state.
void telpher_digest_free(telpher_digest *digest);

/// Writes the HMAC-SHA256 (RFC 2104) of `bytes` with `key` to `code`, 32 bytes; returns 1 on
/// success, 0 otherwise.
int telpher_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count,
                        uint8_t code[32]);

/// Returns whether both have the same `count` bytes, in a time that depends only on `count`.
int telpher_equal_in_constant_time(const void *first, const void *second, size_t count);

#endif
