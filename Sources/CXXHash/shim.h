// XXH3's 128-bit digest of libxxhash, at the speed that this processor allows.
#ifndef CXXHASH_SHIM_H
#define CXXHASH_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

// A library for x86 may have a second set of functions that choose AVX2 or AVX-512 where there is
// one: some 2.8 times as fast as what it does on every x86. Not every distribution builds it in.
extern XXH_errorcode XXH3_128bits_update_dispatch(XXH3_state_t *state, const void *input,
                                                  size_t length) __attribute__((weak));

/// XXH3_128bits_update, the fastest there is.
static inline void telpher_xxh128_update(XXH3_state_t *state, const void *input, size_t length) {
  if (XXH3_128bits_update_dispatch) {
    XXH3_128bits_update_dispatch(state, input, length);
  } else {
    XXH3_128bits_update(state, input, length);
  }
}

/// The digest so far as 16 bytes, the most significant first: XXH128_canonicalFromHash.
static inline void telpher_xxh128_digest(const XXH3_state_t *state, uint8_t bytes[16]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
  for (int index = 0; index < 16; index++) bytes[index] = canonical.digest[index];
}

#endif
