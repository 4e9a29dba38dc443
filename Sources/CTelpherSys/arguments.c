#include "CTelpherSys.h"

static int count;
static char **arguments;

/* glibc passes the arguments of main() to constructors too (call_init in elf/dl-init.c). */
__attribute__((constructor)) static void keep_arguments(int argc, char **argv) {
  count = argc;
  arguments = argv;
}

int telpher_argument_count(void) { return count; }

const char *telpher_argument(int number) {
  return number >= 0 && number < count ? arguments[number] : 0;
}
