// Digests, message authentication codes and random bytes from OpenSSL's libcrypto.
//
// OpenSSL's own headers stay out of this one: they include pthread.h and others, and Swift would
// then attribute their types to this module.
#ifndef CTELPHERCRYPTO_H
#define CTELPHERCRYPTO_H

#include <stddef.h>
#include <stdint.h>

/// The state of one digest (EVP_DigestInit(3)).
typedef struct telpher_digest telpher_digest;

/// The longest digest and code here, in bytes.
enum { TELPHER_DIGEST_MAX = 64 };

/// The state of no bytes yet of the algorithm "SHA256" or "MD5"; null if the library does not offer
/// it or if there is no memory.
telpher_digest *telpher_digest_new(const char *algorithm);
/// A copy that goes on by itself; null if there is no memory.
telpher_digest *telpher_digest_copy(const telpher_digest *digest);
/// Adds the bytes that follow; returns 1 on success, 0 otherwise.
int telpher_digest_update(telpher_digest *digest, const void *bytes, size_t count);
/// Writes the digest to `bytes`, which has room for TELPHER_DIGEST_MAX, and ends the state; returns
/// the digest's length, or 0 on failure.
size_t telpher_digest_finish(telpher_digest *digest, uint8_t *bytes);
/// Frees a state.
void telpher_digest_free(telpher_digest *digest);

/// Writes the 32 bytes of HMAC-SHA256 (RFC 2104) of `bytes` under `key` to `code`; returns 1 on
/// success, 0 otherwise.
int telpher_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count,
                        uint8_t code[32]);

/// Whether both have the same bytes, in a time that depends on `count` alone.
int telpher_equal_in_constant_time(const void *first, const void *second, size_t count);

#endif
