#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

// MARK: The BIO
//
// It takes from the bytes that were given, and passes each record on without a copy of its own.

static int take(BIO *bio, char *bytes, size_t capacity, size_t *count) {
  telpher_tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (tls->input_count == 0) {
    BIO_set_retry_read(bio);
    *count = 0;
    return 0;
  }
  *count = capacity < tls->input_count ? capacity : tls->input_count;
  memcpy(bytes, tls->input, *count);
  tls->input += *count;
  tls->input_count -= *count;
  return 1;
}

static int pass_on(BIO *bio, const char *bytes, size_t count, size_t *passed) {
  telpher_tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  tls->owner.write(tls->owner.context, bytes, count);
  *passed = count;
  return 1;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "telpher");
  if (!method) return;
  BIO_meth_set_read_ex(method, take);
  BIO_meth_set_write_ex(method, pass_on);
  BIO_meth_set_ctrl(method, control);
}

// MARK: Connections

// How many times a peer may change its key before it has sent anything, and how many plain bytes let
// it do so once more. Each change costs a derivation of keys and may ask for an answer, which waits
// in memory for a peer that does not read. Peers change their keys after gigabytes.
enum { KEY_UPDATES = 32, BYTES_PER_KEY_UPDATE = 1 << 20 };

// The library calls it for each handshake message, among others.
static void observe(int is_sent, int version, int type, const void *bytes, size_t count, SSL *ssl,
                    void *context) {
  (void)version, (void)ssl;
  telpher_tls *tls = context;
  if (is_sent || type != SSL3_RT_HANDSHAKE || count == 0) return;
  if (*(const uint8_t *)bytes != SSL3_MT_KEY_UPDATE) return;
  tls->key_updates += 1;
  if (tls->key_updates <= KEY_UPDATES + tls->received / BYTES_PER_KEY_UPDATE) return;
  tls->is_flooded = 1;
  // What has come in the same piece is not read any more.
  tls->input_count = 0;
}

telpher_tls *telpher_tls_new(telpher_tls_context *context, int is_server,
                             telpher_tls_owner owner) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_method);
  telpher_tls *tls = calloc(1, sizeof *tls);
  if (tls) tls->alert = -1;
  SSL *ssl = tls && method ? SSL_new(context->context) : NULL;
  BIO *bio = ssl ? BIO_new(method) : NULL;
  if (!bio) {
    SSL_free(ssl);
    free(tls);
    return NULL;
  }
  tls->owner = owner;
  tls->ssl = ssl;
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, tls);
  SSL_set_msg_callback(ssl, observe);
  SSL_set_msg_callback_arg(ssl, tls);
  if (is_server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return tls;
}

void telpher_tls_free(telpher_tls *tls) {
  SSL_free(tls->ssl);
  X509_free(tls->refused);
  free(tls->message);
  free(tls);
}

int telpher_tls_expect_host(telpher_tls *tls, const char *host) {
  ERR_clear_error();
  X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  int is_set = X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1;
  if (!is_set) {
    is_set = SSL_set1_host(tls->ssl, host) == 1 && SSL_set_tlsext_host_name(tls->ssl, host) == 1;
  }
  ERR_clear_error();
  return is_set;
}

void telpher_tls_give(telpher_tls *tls, const void *bytes, size_t count) {
  tls->input = bytes;
  tls->input_count = count;
}

size_t telpher_tls_unused(const telpher_tls *tls) {
  return tls->input_count + (size_t)SSL_pending(tls->ssl);
}

// Why a certificate was refused, which the library's reason alone does not say.
static const char *refusal(const SSL *ssl) {
  long result = SSL_get_verify_result(ssl);
  if (result == X509_V_OK || result == X509_V_ERR_CERT_REJECTED) return NULL;
  return X509_verify_cert_error_string(result);
}

static telpher_tls_status fail(telpher_tls *tls, const char *message) {
  free(tls->message);
  tls->message = strdup(message);
  return TELPHER_TLS_FAILED;
}

static telpher_tls_status status(telpher_tls *tls, int result, const char *fallback) {
  if (result == 1) return TELPHER_TLS_DONE;
  switch (SSL_get_error(tls->ssl, result)) {
  case SSL_ERROR_WANT_READ: return TELPHER_TLS_NEEDS_INPUT;
  case SSL_ERROR_ZERO_RETURN: return TELPHER_TLS_ENDED;
  default: break;
  }
  unsigned long error = ERR_peek_last_error();
  int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && alert >= 0 && alert <= UINT8_MAX) tls->alert = alert;
  const char *reason = refusal(tls->ssl);
  char message[TELPHER_TLS_MESSAGE_MAX];
  telpher_describe_failure(message, fallback);
  return fail(tls, reason ? reason : message);
}

telpher_tls_status telpher_tls_handshake(telpher_tls *tls) {
  ERR_clear_error();
  return status(tls, SSL_do_handshake(tls->ssl), "the handshake has failed");
}

telpher_tls_status telpher_tls_read(telpher_tls *tls, void *bytes, size_t capacity,
                                    size_t *count) {
  ERR_clear_error();
  *count = 0;
  int result = SSL_read_ex(tls->ssl, bytes, capacity, count);
  if (tls->is_flooded) {
    ERR_clear_error();
    *count = 0;
    return fail(tls, "the peer changes its key too often");
  }
  tls->received += *count;
  return status(tls, result, "the bytes can't be decrypted");
}

telpher_tls_status telpher_tls_write(telpher_tls *tls, const void *bytes, size_t count) {
  ERR_clear_error();
  size_t written = 0;
  return status(tls, SSL_write_ex(tls->ssl, bytes, count, &written), "the bytes can't be encrypted");
}

int telpher_tls_update_key(telpher_tls *tls) {
  ERR_clear_error();
  return SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
}

void telpher_tls_finish(telpher_tls *tls) {
  ERR_clear_error();
  SSL_shutdown(tls->ssl);
  ERR_clear_error();
}

const char *telpher_tls_message(const telpher_tls *tls) {
  return tls->message ? tls->message : "no memory";
}

int telpher_tls_alert(const telpher_tls *tls) { return tls->alert; }

// MARK: Facts

int telpher_tls_export(telpher_tls *tls, const char *label, size_t label_count, uint8_t *bytes,
                       size_t count) {
  ERR_clear_error();
  return SSL_export_keying_material(tls->ssl, bytes, count, label, label_count, NULL, 0, 0) == 1;
}

const char *telpher_tls_cipher(const telpher_tls *tls) { return SSL_get_cipher_name(tls->ssl); }

const char *telpher_tls_group(const telpher_tls *tls) {
  const char *name = SSL_group_to_name(tls->ssl, (int)SSL_get_negotiated_group(tls->ssl));
  return name ? name : "unknown";
}

int telpher_tls_has_certificate(const telpher_tls *tls) {
  return SSL_get0_peer_certificate(tls->ssl) != NULL;
}

// The certificate that the peer has shown; null if it has shown none.
static X509 *shown(const telpher_tls *tls) {
  return tls->refused ? tls->refused : SSL_get0_peer_certificate(tls->ssl);
}

size_t telpher_tls_peer_name(const telpher_tls *tls, char *text, size_t capacity) {
  X509 *certificate = shown(tls);
  GENERAL_NAMES *names =
      certificate ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL) : NULL;
  size_t found = 0;
  const int kinds[] = {GEN_URI, GEN_DNS};
  for (int kind = 0; kind < 2 && found == 0; kind++) {
    for (int index = 0; index < sk_GENERAL_NAME_num(names) && found == 0; index++) {
      const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
      if (name->type != kinds[kind]) continue;
      const ASN1_IA5STRING *value = name->d.ia5;
      const unsigned char *bytes = ASN1_STRING_get0_data(value);
      size_t length = (size_t)ASN1_STRING_length(value);
      // The first name of a kind decides: a certificate never has two identities.
      if (length == 0 || length >= capacity || memchr(bytes, 0, length)) {
        GENERAL_NAMES_free(names);
        return 0;
      }
      memcpy(text, bytes, length);
      text[length] = 0;
      found = length;
    }
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
  return found;
}

size_t telpher_tls_peer_subject(const telpher_tls *tls, char *text, size_t capacity) {
  X509 *certificate = shown(tls);
  BIO *memory = certificate ? BIO_new(BIO_s_mem()) : NULL;
  size_t length = 0;
  // It escapes control characters and what is not ASCII (RFC 2253).
  if (memory &&
      X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
    char *bytes = NULL;
    long count = BIO_get_mem_data(memory, &bytes);
    length = count < 0 ? 0 : (size_t)count < capacity ? (size_t)count : capacity;
    if (length > 0) memcpy(text, bytes, length);
  }
  BIO_free(memory);
  ERR_clear_error();
  return length;
}
