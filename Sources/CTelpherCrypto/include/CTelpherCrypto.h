// Digests, message authentication codes, constant-time comparison and the verification of signatures
// from OpenSSL's libcrypto.
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

/// Returns an empty state for the algorithm "SHA256", "SHA512" or "MD5"; null if the library does not
/// offer it or memory runs out. Free it with telpher_digest_free.
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

/// The same with SHA-1, 20 bytes. OpenSSH hides the names of hosts with it, which needs no more.
int telpher_hmac_sha1(const void *key, size_t key_count, const void *bytes, size_t count,
                      uint8_t code[20]);

// Each of these returns 1 if the signature is that of the message by the private key of this public
// key. It returns 0 if it is not, if the key or the signature is malformed, or if memory runs out.

/// Ed25519 (RFC 8032): a key of 32 bytes, a signature of 64.
int telpher_verify_ed25519(const uint8_t key[32], const void *message, size_t count,
                           const uint8_t signature[64]);
/// ECDSA on the curve "prime256v1", "secp384r1" or "secp521r1", with the digest "SHA256", "SHA384" or
/// "SHA512". The key is the uncompressed point; the signature is two big-endian numbers.
int telpher_verify_ecdsa(const char *curve, const void *point, size_t point_count,
                         const char *digest, const void *message, size_t count, const void *r,
                         size_t r_count, const void *s, size_t s_count);
/// RSA with PKCS #1 v1.5 (RFC 8017) and the digest "SHA256" or "SHA512". The key is two big-endian
/// numbers; the signature is as long as the modulus.
int telpher_verify_rsa(const void *modulus, size_t modulus_count, const void *exponent,
                       size_t exponent_count, const char *digest, const void *message,
                       size_t count, const void *signature, size_t signature_count);

// Ed25519 (RFC 8032) with a private key of 32 bytes. Each returns 1 on success, 0 if memory runs out.

/// Writes the public key of `key`.
int telpher_ed25519_public_key(const uint8_t key[32], uint8_t public_key[32]);
/// Writes the signature of the message by `key`.
int telpher_ed25519_sign(const uint8_t key[32], const void *message, size_t count,
                         uint8_t signature[64]);
/// Writes `count` random bytes that can not be predicted.
int telpher_random(void *bytes, size_t count);

/// Returns whether both have the same `count` bytes, in a time that depends only on `count`.
int telpher_equal_in_constant_time(const void *first, const void *second, size_t count);

#endif
