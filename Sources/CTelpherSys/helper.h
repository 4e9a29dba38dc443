// A helper process, which outlives the process that starts it in order to clean up after it.
//
// It is forked, not executed, so that it works in any program that uses the library. The process has
// other threads when it forks, so the helper makes raw system calls only. It notices the end of the
// process by the end of a pipe.
#ifndef CTELPHERSYS_HELPER_H
#define CTELPHERSYS_HELPER_H

#include <stddef.h>

// What a helper does. The functions run in the helper: they are CHILD_SIDE.
struct helper_work {
  // Called once at the start; may be NULL.
  void (*begin)(void);
  // Called when the pipe has ended. `was_dismissed`: whether a byte came before, or reading failed.
  void (*end)(void *context, int was_dismissed);
  void *context;
};

// Starts a helper with no open descriptors but `descriptor`, if that is not negative, as number 1. It
// is not a child of this process, leads a session of its own, and all signals are blocked in it.
//
// Returns the writing end of the pipe, which is to stay open until the helper's work is due, or minus
// the error number.
int telpher_start_helper(int descriptor, const struct helper_work *work);

// Memory that this process and its helper share; NULL with errno set if there is none.
void *telpher_share_memory(size_t size);

#endif
