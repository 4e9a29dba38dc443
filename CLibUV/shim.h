// libuv for Swift: uv.h, and `static inline` helpers for what the importer can't express.
#ifndef TELPHER_CLIBUV_SHIM_H
#define TELPHER_CLIBUV_SHIM_H

#include <uv.h>

// Describes a header and a body as libuv's buffers, without an array on Swift's heap. Returns the
// number of non-empty buffers.
static inline unsigned tuv_buffers(uv_buf_t buffers[2], const void *head, size_t head_length,
                                   const void *body, size_t body_length) {
  unsigned count = 0;
  if (head_length > 0) {
    buffers[count].base = (char *)head;
    buffers[count++].len = head_length;
  }
  if (body_length > 0) {
    buffers[count].base = (char *)body;
    buffers[count++].len = body_length;
  }
  return count;
}

// Writes both in one system call with uv_try_write. Returns the number of bytes written, or a
// negative error.
static inline int tuv_try_write(uv_stream_t *stream, const void *head, size_t head_length,
                                const void *body, size_t body_length) {
  uv_buf_t buffers[2];
  unsigned count = tuv_buffers(buffers, head, head_length, body, body_length);
  return uv_try_write(stream, buffers, count);
}

// Writes both with uv_write. libuv copies the two buffer descriptions, not the bytes.
static inline int tuv_write(uv_write_t *request, uv_stream_t *stream, const void *head,
                            size_t head_length, const void *body, size_t body_length,
                            uv_write_cb did_write) {
  uv_buf_t buffers[2];
  unsigned count = tuv_buffers(buffers, head, head_length, body, body_length);
  return uv_write(request, stream, buffers, count, did_write);
}

static inline void tuv_read_into(uv_buf_t *buffer, void *memory, size_t length) {
  buffer->base = (char *)memory;
  buffer->len = length;
}

#endif
