#include "internal.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

size_t telpher_tls_make_key(char *pem, size_t capacity) {
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  BIO *memory = BIO_new(BIO_s_mem());
  size_t length = 0;
  if (key && memory && PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) == 1) {
    char *text = NULL;
    long count = BIO_get_mem_data(memory, &text);
    if (count > 0 && (size_t)count <= capacity) {
      memcpy(pem, text, (size_t)count);
      length = (size_t)count;
    }
  }
  BIO_free(memory);
  EVP_PKEY_free(key);
  return length;
}

// The library would ask on the terminal for the passphrase of an encrypted key.
static int no_passphrase(char *buffer, int size, int is_for_writing, void *context) {
  (void)buffer, (void)size, (void)is_for_writing, (void)context;
  return -1;
}

EVP_PKEY *telpher_read_key(const char *pem, size_t count) {
  BIO *memory = BIO_new_mem_buf(pem, (int)count);
  EVP_PKEY *key = memory ? PEM_read_bio_PrivateKey(memory, NULL, no_passphrase, NULL) : NULL;
  BIO_free(memory);
  return key;
}

int telpher_tls_public_key(const char *pem, size_t count, uint8_t raw[TELPHER_TLS_KEY_LENGTH]) {
  EVP_PKEY *key = telpher_read_key(pem, count);
  size_t length = TELPHER_TLS_KEY_LENGTH;
  int is_right = key && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
                 EVP_PKEY_get_raw_public_key(key, raw, &length) == 1;
  EVP_PKEY_free(key);
  ERR_clear_error();
  return is_right;
}

X509 *telpher_self_signed(EVP_PKEY *key) {
  X509 *certificate = X509_new();
  if (!certificate) return NULL;
  uint64_t number = 0;
  X509_NAME *name = X509_get_subject_name(certificate);
  // The client compares the key, so the time does not matter: any clock is within these dates.
  int is_made =
      RAND_bytes((unsigned char *)&number, sizeof number) == 1 &&
      X509_set_version(certificate, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1 | 1) == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"telpher", -1, -1,
                                 0) == 1 &&
      X509_set_issuer_name(certificate, name) == 1 &&
      ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "19700101000000Z") == 1 &&
      ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
      X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, NULL) > 0;
  if (is_made) return certificate;
  X509_free(certificate);
  return NULL;
}
