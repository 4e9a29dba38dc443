#ifndef CTELPHER_TEST_SUPPORT_H
#define CTELPHER_TEST_SUPPORT_H

/// Makes clone3(2) fail with ENOSYS on the calling thread and in all that it starts, for good, as a
/// container's filter does. Returns 0, or an errno.
int refuse_clone3(void);

/// Makes a program that is started with these `posix_spawn_file_actions_t` inherit no descriptors but
/// 0 to 2. Returns 0, or an errno.
int telpher_close_inherited(void *actions);

#endif
