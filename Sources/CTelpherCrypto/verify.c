#include "CTelpherCrypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

// A refused key or signature leaves errors in the thread's queue, where the next user of TLS on this
// thread would take them for its own. So each function here sets a mark and returns to it.
static int forgetting_errors(int is_right) {
  ERR_pop_to_mark();
  return is_right;
}

// Returns whether the signature of the message is right. Frees the key.
static int verify(EVP_PKEY *key, const char *digest, const void *message, size_t count,
                  const void *signature, size_t signature_count) {
  EVP_MD_CTX *context = key ? EVP_MD_CTX_new() : NULL;
  int is_right = 0;
  if (context) {
    is_right = EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL) == 1 &&
               EVP_DigestVerify(context, signature, signature_count, message, count) == 1;
  }
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return is_right;
}

// Makes a public key of the type from its parameters; null if they are not one.
static EVP_PKEY *public_key(const char *type, OSSL_PARAM *parameters) {
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
  EVP_PKEY *key = NULL;
  if (context && EVP_PKEY_fromdata_init(context) == 1) {
    if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) key = NULL;
  }
  EVP_PKEY_CTX_free(context);
  return key;
}

int telpher_verify_ed25519(const uint8_t key[32], const void *message, size_t count,
                           const uint8_t signature[64]) {
  ERR_set_mark();
  EVP_PKEY *public = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key, 32);
  return forgetting_errors(verify(public, NULL, message, count, signature, 64));
}

int telpher_verify_ecdsa(const char *curve, const void *point, size_t point_count,
                         const char *digest, const void *message, size_t count, const void *r,
                         size_t r_count, const void *s, size_t s_count) {
  ERR_set_mark();
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, point_count),
      OSSL_PARAM_construct_end(),
  };
  EVP_PKEY *key = public_key("EC", parameters);
  ECDSA_SIG *pair = ECDSA_SIG_new();
  BIGNUM *first = BN_bin2bn(r, (int)r_count, NULL), *second = BN_bin2bn(s, (int)s_count, NULL);
  unsigned char *encoded = NULL;
  int length = -1;
  if (pair && first && second && ECDSA_SIG_set0(pair, first, second) == 1) {
    first = second = NULL;  // The pair owns them now.
    length = i2d_ECDSA_SIG(pair, &encoded);
  }
  BN_free(first);
  BN_free(second);
  ECDSA_SIG_free(pair);
  if (length <= 0) {
    EVP_PKEY_free(key);
    return forgetting_errors(0);
  }
  int is_right = verify(key, digest, message, count, encoded, (size_t)length);
  OPENSSL_free(encoded);
  return forgetting_errors(is_right);
}

int telpher_verify_rsa(const void *modulus, size_t modulus_count, const void *exponent,
                       size_t exponent_count, const char *digest, const void *message,
                       size_t count, const void *signature, size_t signature_count) {
  ERR_set_mark();
  BIGNUM *n = BN_bin2bn(modulus, (int)modulus_count, NULL);
  BIGNUM *e = BN_bin2bn(exponent, (int)exponent_count, NULL);
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM *parameters = NULL;
  if (n && e && builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
    parameters = OSSL_PARAM_BLD_to_param(builder);
  }
  EVP_PKEY *key = parameters ? public_key("RSA", parameters) : NULL;
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(n);
  BN_free(e);
  // The padding is PKCS #1 v1.5 unless another is set.
  return forgetting_errors(verify(key, digest, message, count, signature, signature_count));
}
