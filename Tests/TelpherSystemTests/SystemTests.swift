import Testing

/// The tests of processes, one after the other: they block their thread while they wait for a child,
/// and tests have no more threads than the machine has cores.
@Suite(.serialized) enum SystemTests {}
