import Testing

/// The tests of processes run one after the other: each blocks its thread while it waits for a
/// child, and tests have only as many threads as the machine has cores.
@Suite(.serialized) enum ProcessTests {}
