internal import CTelpherSys
internal import Glibc

/// A descriptor that this process inherited or was given. Other processes may share its file
/// description, and so its status flags.
package struct AdoptedDescriptor {
  /// The descriptor to use: the given one, or a copy if the given one was a standard descriptor (0
  /// to 2).
  package let descriptor: Int32
  /// The original status flags of the descriptor.
  private let flags: Int32

  /// Takes over `descriptor`, whose flags must not have been changed yet.
  ///
  /// For a standard descriptor it takes a copy and puts /dev/null in its place. A closed standard
  /// descriptor would be reused by the next file that is opened.
  package init(takingOver descriptor: Int32) {
    flags = telpher_status_flags(descriptor)
    self.descriptor = Self.takeOver(descriptor)
  }

  /// Restores O_NONBLOCK. Call it before the descriptor is closed.
  package func restoreFlags() {
    guard flags >= 0, flags & O_NONBLOCK == 0 else { return }
    _ = telpher_set_status_flags(descriptor, flags)
  }

  private static func takeOver(_ descriptor: Int32) -> Int32 {
    guard descriptor <= STDERR_FILENO else { return descriptor }
    let copy = telpher_duplicate(descriptor, STDERR_FILENO + 1)
    let null = Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
    guard copy >= 0, null >= 0 else {
      if copy >= 0 { _ = Glibc.close(copy) }
      if null >= 0 { _ = Glibc.close(null) }
      return descriptor
    }
    dup2(null, descriptor)
    _ = Glibc.close(null)
    return copy
  }
}
