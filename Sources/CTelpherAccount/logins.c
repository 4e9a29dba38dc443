#define _GNU_SOURCE
#include "CTelpherAccount.h"

#include <errno.h>
#include <shadow.h>
#include <stdlib.h>

// The longest line of shadow(5) that is read.
enum { MAX_LINE = 1 << 20 };

int telpher_password_entry(const char *name, long *expires, char *first) {
  size_t length = 1024;
  for (;;) {
    char *buffer = malloc(length);
    if (!buffer) return -ENOMEM;
    struct spwd entry, *found = NULL;
    int error = getspnam_r(name, &entry, buffer, length, &found);
    if (error == 0 && found) {
      *expires = found->sp_expire;
      *first = found->sp_pwdp ? found->sp_pwdp[0] : 0;
    }
    free(buffer);
    if (error == ERANGE && length < MAX_LINE) {
      length *= 2;
      continue;
    }
    // Without the file no user has an entry.
    if (error != 0 && error != ENOENT) return -error;
    return error == 0 && found ? 1 : 0;
  }
}
