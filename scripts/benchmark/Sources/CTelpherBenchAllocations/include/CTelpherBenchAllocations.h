// The library has no functions to call: LD_PRELOAD makes it replace the C library's allocator.
#ifndef CTELPHERBENCHALLOCATIONS_H
#define CTELPHERBENCHALLOCATIONS_H
#endif
