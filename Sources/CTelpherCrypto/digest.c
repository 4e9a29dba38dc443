#include "CTelpherCrypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

telpher_digest *telpher_digest_new(const char *algorithm) {
  const EVP_MD *method = EVP_get_digestbyname(algorithm);
  EVP_MD_CTX *context = method ? EVP_MD_CTX_new() : NULL;
  if (!context) return NULL;
  if (EVP_DigestInit_ex(context, method, NULL) != 1) {
    EVP_MD_CTX_free(context);
    return NULL;
  }
  return (telpher_digest *)context;
}

telpher_digest *telpher_digest_copy(const telpher_digest *digest) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (!context) return NULL;
  if (EVP_MD_CTX_copy_ex(context, (const EVP_MD_CTX *)digest) != 1) {
    EVP_MD_CTX_free(context);
    return NULL;
  }
  return (telpher_digest *)context;
}

int telpher_digest_update(telpher_digest *digest, const void *bytes, size_t count) {
  return EVP_DigestUpdate((EVP_MD_CTX *)digest, bytes, count) == 1;
}

size_t telpher_digest_finish(telpher_digest *digest, uint8_t *bytes) {
  unsigned length = 0;
  return EVP_DigestFinal_ex((EVP_MD_CTX *)digest, bytes, &length) == 1 ? length : 0;
}

void telpher_digest_free(telpher_digest *digest) { EVP_MD_CTX_free((EVP_MD_CTX *)digest); }

int telpher_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count,
                        uint8_t code[32]) {
  unsigned length = 32;
  return HMAC(EVP_sha256(), key, (int)key_count, bytes, count, code, &length) && length == 32;
}

int telpher_hmac_sha1(const void *key, size_t key_count, const void *bytes, size_t count,
                      uint8_t code[20]) {
  unsigned length = 20;
  return HMAC(EVP_sha1(), key, (int)key_count, bytes, count, code, &length) && length == 20;
}

int telpher_equal_in_constant_time(const void *first, const void *second, size_t count) {
  return CRYPTO_memcmp(first, second, count) == 0;
}
