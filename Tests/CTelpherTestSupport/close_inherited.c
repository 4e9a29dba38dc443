#define _GNU_SOURCE
#include "CTelpherTestSupport.h"

#include <spawn.h>

int telpher_close_inherited(void *actions) {
  return posix_spawn_file_actions_addclosefrom_np(actions, 3);
}
