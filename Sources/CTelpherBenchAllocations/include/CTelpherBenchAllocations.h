// A library without an interface: LD_PRELOAD puts it before the C library's allocator.
#ifndef CTELPHERBENCHALLOCATIONS_H
#define CTELPHERBENCHALLOCATIONS_H
#endif
