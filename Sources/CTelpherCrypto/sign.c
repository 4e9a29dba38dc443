#include "CTelpherCrypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

// An error that stays in the thread's queue would be taken by the next user of TLS for its own.
static EVP_PKEY *private_key(const uint8_t key[32]) {
  return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, key, 32);
}

int telpher_ed25519_public_key(const uint8_t key[32], uint8_t public_key[32]) {
  ERR_set_mark();
  EVP_PKEY *made = private_key(key);
  size_t length = 32;
  int is_done = made && EVP_PKEY_get_raw_public_key(made, public_key, &length) == 1 && length == 32;
  EVP_PKEY_free(made);
  ERR_pop_to_mark();
  return is_done;
}

int telpher_ed25519_sign(const uint8_t key[32], const void *message, size_t count,
                         uint8_t signature[64]) {
  ERR_set_mark();
  EVP_PKEY *made = private_key(key);
  EVP_MD_CTX *context = made ? EVP_MD_CTX_new() : NULL;
  size_t length = 64;
  int is_done = context && EVP_DigestSignInit_ex(context, NULL, NULL, NULL, NULL, made, NULL) == 1 &&
                EVP_DigestSign(context, signature, &length, message, count) == 1 && length == 64;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(made);
  ERR_pop_to_mark();
  return is_done;
}

int telpher_random(void *bytes, size_t count) {
  ERR_set_mark();
  int is_done = RAND_bytes(bytes, (int)count) == 1;
  ERR_pop_to_mark();
  return is_done;
}
