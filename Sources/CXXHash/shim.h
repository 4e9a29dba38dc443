// The 128-bit XXH3 digest of libxxhash, with the fastest code for this processor.
#ifndef CXXHASH_SHIM_H
#define CXXHASH_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

// On x86, libxxhash may have a second set of functions that use AVX2 or AVX-512 if the processor
// has them. They are about 2.8 times as fast. Not every distribution includes them.
extern XXH_errorcode XXH3_128bits_update_dispatch(XXH3_state_t *state, const void *input,
                                                  size_t length) __attribute__((weak));

/// Adds bytes with the fastest available variant of XXH3_128bits_update.
static inline void telpher_xxh128_update(XXH3_state_t *state, const void *input, size_t length) {
  if (XXH3_128bits_update_dispatch) {
    XXH3_128bits_update_dispatch(state, input, length);
  } else {
    XXH3_128bits_update(state, input, length);
  }
}

/// Writes the digest of the bytes so far to `bytes`: 16 bytes, the most significant first
/// (XXH128_canonicalFromHash).
static inline void telpher_xxh128_digest(const XXH3_state_t *state, uint8_t bytes[16]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
  for (int index = 0; index < 16; index++) bytes[index] = canonical.digest[index];
}

#endif
